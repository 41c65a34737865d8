//! Reads a component's sections without the engine: whether instantiating it runs any of its code, and its
//! custom sections.
//!
//! Instantiation runs code if and only if a core module inside has a start function, or the component has
//! one (WebAssembly core specification, section 5.5; component model binary format). A file that cannot be
//! parsed counts as one that runs code.

use wasmparser::{Parser, Payload};

/// The format of a file, according to its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A component.
    Component,
    /// A core module.
    Module,
    /// Something else.
    Other,
}

/// The format of a file.
pub(crate) fn format(bytes: &[u8]) -> Format {
    if Parser::is_component(bytes) {
        Format::Component
    } else if Parser::is_core_wasm(bytes) {
        Format::Module
    } else {
        Format::Other
    }
}

/// The contents of a component's own custom section of this name, if it has one.
pub(crate) fn custom<'a>(component: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            // The last end is the component's own.
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == name => {
                return Some(section.data());
            }
            _ => {}
        }
    }
    None
}

/// The names of a component's own imports, as far as they can be read.
pub(crate) fn imports(component: &[u8]) -> Vec<&str> {
    let mut depth = 0_u32;
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::ComponentImportSection(section)) if depth == 0 => {
                names.extend(section.into_iter().flatten().map(|import| import.name.name));
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    names
}

/// Whether instantiating this component may run its code.
pub(crate) fn runs_at_instantiation(component: &[u8]) -> bool {
    if format(component) == Format::Other {
        return true;
    }
    Parser::new(0).parse_all(component).any(|payload| {
        matches!(
            payload,
            Err(_) | Ok(Payload::StartSection { .. } | Payload::ComponentStartSection { .. })
        )
    })
}
