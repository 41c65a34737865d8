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
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        check(&wat::parse_str(text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_adapter_imports_nothing_but_the_interfaces() {
        let tools =
            r#"(instance $tools) (export "tollgate:adapter/tools@0.1.0" (instance $tools))"#;
        let with = |import: &str| checked(&format!("(component {import} {tools})"));
        assert_eq!(with(""), Ok(()));
        assert_eq!(
            with(r#"(import "tollgate:adapter/log@0.1.0" (instance))"#),
            Ok(())
        );
        let foreign = with(r#"(import "wasi:clocks/wall-clock@0.2.0" (instance))"#).unwrap_err();
        assert!(
            foreign.starts_with("it imports wasi:clocks/wall-clock@0.2.0"),
            "{foreign}"
        );
        let similar = with(r#"(import "tollgate:adapters/log@0.1.0" (instance))"#);
        assert!(similar.is_err());
    }

    #[test]
    fn a_component_of_another_world_is_refused() {
        let wrong = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/guests/wrong-world.wat"
        ));
        assert!(checked(wrong).unwrap_err().contains("acme:clock/now@1.0.0"));
        let nothing = checked("(component)").unwrap_err();
        assert!(nothing.contains("exports nothing"), "{nothing}");
    }

    #[test]
    fn a_module_that_expects_another_host_is_refused() {
        let module =
            wat::parse_str(r#"(module (import "env" "now" (func)) (memory (export "memory") 1))"#)
                .unwrap();
        let error = component(&module).unwrap_err().to_string();
        assert!(
            error.contains("env") && error.contains("getrandom"),
            "{error}"
        );
        assert!(component(b"not wasm").is_err());
    }
}
