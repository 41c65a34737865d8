//! What a component's sections say without the engine: whether instantiating it runs any of its code, and
//! what it carries beside code.
//!
//! Instantiating runs code exactly if a core module inside has a start function (WebAssembly core specification,
//! section 5.5, section id 8; component model binary format: core modules are sections with id 1,
//! components with id 4). This walks section headers only, of bytes that the engine has validated; what
//! it does not understand counts as code that runs.

const PREAMBLE: usize = 8;
const COMPONENT: [u8; 4] = [0x0d, 0x00, 0x01, 0x00];
const MODULE: [u8; 4] = [0x01, 0x00, 0x00, 0x00];
const CUSTOM: u8 = 0;
/// Component sections.
const CORE_MODULE: u8 = 1;
const NESTED_COMPONENT: u8 = 4;
const COMPONENT_START: u8 = 9;
/// Core sections.
const START: u8 = 8;

/// What the first bytes of a file say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A component.
    Component,
    /// A core module.
    Module,
    /// Something else.
    Other,
}

/// The format of a file.
pub(super) fn format(bytes: &[u8]) -> Format {
    match bytes
        .strip_prefix(b"\0asm")
        .and_then(|rest| rest.first_chunk::<4>())
    {
        Some(&COMPONENT) => Format::Component,
        Some(&MODULE) => Format::Module,
        _ => Format::Other,
    }
}

/// The contents of a component's own custom section of this name (section id 0, which begins with the
/// name), if it has one.
pub(super) fn custom<'a>(component: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = component.get(PREAMBLE..)?;
    while let Some((&id, after)) = rest.split_first() {
        let (size, after) = leb128(after)?;
        let size = usize::try_from(size).ok()?;
        let section = after.get(..size)?;
        rest = after.get(size..)?;
        if id == CUSTOM {
            let (length, named) = leb128(section)?;
            let (found, contents) = named.split_at_checked(usize::try_from(length).ok()?)?;
            if found == name.as_bytes() {
                return Some(contents);
            }
        }
    }
    None
}

/// Whether instantiating this component may run code of it.
pub(super) fn runs_at_instantiation(component: &[u8]) -> bool {
    scan(component, 0).unwrap_or(true)
}

/// `None` for bytes that are not understood.
fn scan(bytes: &[u8], depth: usize) -> Option<bool> {
    // The engine refuses deeper nesting than this.
    if depth > 100 {
        return None;
    }
    let component = match format(bytes) {
        Format::Component => true,
        Format::Module => false,
        Format::Other => return None,
    };
    let mut rest = bytes.get(PREAMBLE..)?;
    while let Some((&id, after)) = rest.split_first() {
        let (size, after) = leb128(after)?;
        let size = usize::try_from(size).ok()?;
        let section = after.get(..size)?;
        rest = after.get(size..)?;
        let runs = match (component, id) {
            (true, CORE_MODULE | NESTED_COMPONENT) => scan(section, depth + 1)?,
            (true, COMPONENT_START) | (false, START) => true,
            _ => false,
        };
        if runs {
            return Some(true);
        }
    }
    Some(false)
}

/// An unsigned 32-bit integer in LEB128 (core specification, section 5.2.2), and what follows it.
fn leb128(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, bytes.get(i + 1..)?));
        }
    }
    None
}
