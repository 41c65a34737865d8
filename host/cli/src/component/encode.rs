//! Encodes a core module as a component, and checks its imports and exports. Pure.

use thiserror::Error;
use wit_component::{ComponentEncoder, DecodedWasm, decode};

/// The package with all interfaces that an adapter may import.
const PACKAGE: &str = "tollgate:adapter/";

/// Why a module is not an adapter.
#[derive(Debug, Error)]
pub(crate) enum EncodeError {
    /// The module has an import that no interface describes.
    #[error(
        "the module does not fit the interfaces that it names: {0}\n\
         A crate that expects JavaScript or an operating system (js-sys, getrandom, a clock) is the usual \
         cause; `cargo tree` in its folder shows which it is"
    )]
    Module(String),
    /// The component has an import that the gate does not offer.
    #[error(
        "it imports {0}, which no gate offers; an adapter may import only what `wit/` describes"
    )]
    Import(String),
    /// The component offers no tools.
    #[error(
        "it exports nothing to call; list its tools with `tollgate_guest::adapter!(..)`, or export functions"
    )]
    NoTools,
}

/// Encodes a module as a component.
pub(crate) fn component(module: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let refused = |error: anyhow::Error| EncodeError::Module(format!("{error:#}"));
    let component = ComponentEncoder::default()
        .module(module)
        .map_err(refused)?
        .validate(true)
        .encode()
        .map_err(refused)?;
    check(&component)?;
    Ok(component)
}

/// Checks that the gate offers all imports, and that there are tools.
pub(super) fn check(component: &[u8]) -> Result<(), EncodeError> {
    let refused = |error: anyhow::Error| EncodeError::Module(format!("{error:#}"));
    let Interfaces { imports, exports } = interfaces(component).map_err(refused)?;
    if let Some(foreign) = imports.into_iter().find(|name| !name.starts_with(PACKAGE)) {
        return Err(EncodeError::Import(foreign));
    }
    if exports.is_empty() {
        return Err(EncodeError::NoTools);
    }
    Ok(())
}

/// The names of the imports and exports of a component.
struct Interfaces {
    imports: Vec<String>,
    exports: Vec<String>,
}

fn interfaces(component: &[u8]) -> anyhow::Result<Interfaces> {
    let (resolve, world) = match decode(component)? {
        DecodedWasm::Component(resolve, world) => (resolve, world),
        DecodedWasm::WitPackage(..) => anyhow::bail!("it is a package of interfaces without code"),
    };
    let world = resolve
        .worlds
        .get(world)
        .ok_or_else(|| anyhow::anyhow!("it describes no world"))?;
    Ok(Interfaces {
        imports: world
            .imports
            .keys()
            .map(|key| resolve.name_world_key(key))
            .collect(),
        exports: world
            .exports
            .keys()
            .map(|key| resolve.name_world_key(key))
            .collect(),
    })
}

#[cfg(test)]
mod tests;
