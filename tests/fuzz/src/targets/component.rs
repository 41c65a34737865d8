//! Components, of which a gate learns the tools before anything of them is trusted.

use std::sync::OnceLock;

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tollgate::sandbox::{Sandbox, SandboxOptions};
use tollgate_model::tool::Size;

use super::{PACKAGE, is_readable, texts};
use crate::Target;

pub(super) const COMPONENT: Target = Target {
    name: "component",
    package: PACKAGE,
    corpus: || {
        let mut corpus = texts(&[
            r#"(component
  (core module $m (memory (export "memory") 1) (func (export "answer") (result i32) (i32.const 42)))
  (core instance $i (instantiate $m))
  (type $mood' (variant (case "good") (case "bad" string)))
  (export $mood "mood" (type $mood'))
  (func (export "answer") (result u32) (canon lift (core func $i "answer"))))"#,
            r#"(component
  (core module $m (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "keep") (param i32 i32 i32) (result i32) (i32.const 16)))
  (core instance $i (instantiate $m))
  (type $row' (record (field "id" u64) (field "names" (list string)) (field "at" (option float64))))
  (export $row "row" (type $row'))
  (func (export "a-function-with-a-name-that-no-model-will-ever-take-as-the-name-of-a-tool")
    (param "deep" (list (list (list u8)))) (param "b" bool) (result (list u32))
    (canon lift (core func $i "keep") (memory $i "memory") (realloc (func $i "realloc")))))"#,
            "(module (memory (export \"memory\") 1) (func (export \"run\") (result i32) (i32.const 42)))",
            "(component)",
        ]);
        let binary: Vec<Vec<u8>> = corpus
            .iter()
            .filter_map(|text| wat::parse_bytes(text).ok())
            .map(|bytes| bytes.into_owned())
            .collect();
        corpus.extend(binary);
        corpus
    },
    variants: 40,
    check: component,
};

/// A component is inspected within bounds, or refused with a reason.
fn component(input: &[u8]) {
    static SANDBOX: OnceLock<(Sandbox, Runtime, TempDir)> = OnceLock::new();
    let (sandbox, runtime, _) = SANDBOX.get_or_init(|| {
        let cache = tempfile::tempdir().unwrap();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = SandboxOptions {
            cache_dir: cache.path().join("cache"),
            concurrency: 1,
            compiler: None,
        };
        (Sandbox::new(options).unwrap(), runtime, cache)
    });
    let bytes = match wat::parse_bytes(input) {
        Ok(bytes) => bytes.into_owned(),
        Err(_) => input.to_vec(),
    };
    match runtime.block_on(sandbox.inspect("box", &bytes, Size::Standard)) {
        Ok(inspection) => {
            assert_eq!(inspection.bytes, bytes.len() as u64);
            for tool in &inspection.tools {
                assert!((1..=128).contains(&tool.name.len()), "{}", tool.name);
            }
            for reason in &inspection.left_out {
                is_readable(reason, 2_000);
            }
            let json = serde_json::to_string(&inspection).unwrap();
            assert_eq!(
                serde_json::from_str::<tollgate::sandbox::Inspection>(&json).unwrap(),
                inspection
            );
        }
        Err(error) => is_readable(&error.to_string(), 8_000),
    }
}
