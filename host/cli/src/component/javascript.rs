//! Tools in JavaScript and TypeScript: bundled by esbuild, then made a component with an engine by componentize-js.
//! Both come from npm, as pinned by the project's lock file, and so does the compiler that checks types.

mod source_map;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    component::{
        BuildError, BuildOutput, files,
        interpreted::{Project, WIT, needed, up_to_date},
        process,
    },
    progress::Progress,
};

pub(super) const MANIFEST: &str = "package.json";
const REMEDY: &str = "install Node.js 20 or newer with npm (https://nodejs.org; on Debian and Ubuntu: apt-get install nodejs npm)";
/// Features of the engine that need imports which a tool does not have.
const DISABLED: [&str; 5] = ["stdio", "random", "clocks", "http", "fetch-event"];
/// Where the output of the programs begins to speak of themselves.
const OWN: [&str; 2] = ["node:", "Additionally, some promises were rejected"];
/// The entry: the SDK gets the gate's interfaces, the tools register themselves, the SDK offers them.
const ENTRY: &str = "import { offer } from './sdk/component.js';\nimport './tool.js';\nexport const tools = offer();\n";
/// The file with the tools, if they are in TypeScript.
const TYPED: &str = "tool.ts";
/// Where the SDK finds the source map of a running component.
const MAP: &str = "globalThis[Symbol.for('tollgate.sources')]";

pub(super) fn component(
    dir: &Path,
    out: Option<&Path>,
    progress: Progress,
) -> Result<BuildOutput, BuildError> {
    let started = Instant::now();
    let project = Project::open(dir, out, "node_modules", ENTRY, progress, name)?;
    needed("node", REMEDY)?;
    let npm = needed("npm", REMEDY)?;
    let lock = project.dir.join("package-lock.json");
    if !up_to_date(&project.tools.join(".package-lock.json"), &lock) {
        let mut install = process::command(npm, &project.dir);
        // With a lock file, exactly its packages are installed; without one, npm writes it. No package runs scripts.
        install.arg(if lock.is_file() { "ci" } else { "install" });
        install.args([
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]);
        project.run("installing componentize-js with npm", install)?;
    }
    let bin = project.tools.join(".bin");
    project.component(started, |made| {
        if project.dir.join(TYPED).is_file() {
            check_types(&project, &bin)?;
        }
        let bundle = bundle(&project, &bin)?;
        let mut componentize = process::command(bin.join("componentize-js"), &project.dir);
        componentize
            .arg(&bundle)
            .args(["--wit", WIT, "-n", "adapter"]);
        componentize.arg("--disable").args(DISABLED);
        componentize.arg("--out").arg(made);
        project
            .run(&format!("building {}", project.name), componentize)
            .map_err(without_own_trace)
    })
}

/// Types are checked where the project has the compiler and its settings.
fn check_types(project: &Project<'_>, bin: &Path) -> Result<(), BuildError> {
    let compiler = bin.join("tsc");
    if !compiler.is_file() || !project.dir.join("tsconfig.json").is_file() {
        return Ok(());
    }
    let mut check = process::command(compiler, &project.dir);
    check.args(["--noEmit", "--pretty", "false"]);
    project.run("checking types", check)
}

/// One file with the tools, the SDK and their packages. It ends with its source map, so that errors name the author's
/// lines.
fn bundle(project: &Project<'_>, bin: &Path) -> Result<PathBuf, BuildError> {
    let entry = project.tools.join(".tollgate-entry.mjs");
    let bundle = project.tools.join(".tollgate-bundle.mjs");
    let typed = project.dir.join(TYPED).is_file();
    let imports = ENTRY.replace("'./", "'../");
    let imports = if typed {
        imports.replace("tool.js", TYPED)
    } else {
        imports
    };
    fs::write(&entry, imports).map_err(|error| files::error("write", &entry, error))?;
    let mut esbuild = process::command(bin.join("esbuild"), &project.dir);
    esbuild.arg(&entry).args([
        "--bundle",
        "--format=esm",
        "--platform=neutral",
        "--main-fields=module,main",
        "--conditions=import,default",
        "--external:tollgate:*",
        "--log-level=warning",
        "--sourcemap=external",
        "--sources-content=false",
        // If the SDK is a link, its imports are resolved from the location of the link.
        "--preserve-symlinks",
    ]);
    esbuild.arg(format!("--outfile={}", bundle.display()));
    project
        .run("bundling", esbuild)
        .map_err(without_own_trace)?;
    let map = bundle.with_extension("mjs.map");
    let read = |path| fs::read_to_string(path).map_err(|error| files::error("read", path, error));
    let code = read(&bundle)? + &source_map(&read(&map)?);
    fs::write(&bundle, code).map_err(|error| files::error("write", &bundle, error))?;
    Ok(bundle)
}

/// A line of code that keeps what the SDK needs of a source map: the sources, and for each line of the bundle the
/// source and the line where it begins. Decoding the map itself would cost a failing call seconds.
fn source_map(map: &str) -> String {
    let map: Value = serde_json::from_str(map).unwrap_or_default();
    let sources = map.get("sources").cloned().unwrap_or_default();
    let mappings = map.get("mappings").and_then(Value::as_str);
    let lines = mappings.map(source_map::lines).unwrap_or_default();
    let kept = json!({ "sources": sources, "lines": lines });
    format!("\n{MAP} = {kept};\n")
}

/// The author's errors without the traces of esbuild and componentize-js themselves.
fn without_own_trace(error: BuildError) -> BuildError {
    let BuildError::Step { dir, what, output } = error else {
        return error;
    };
    let said: Vec<&str> = output
        .split_once("Exception while evaluating top-level script")
        .map_or(output.as_str(), |(_, said)| said)
        .lines()
        .filter(|line| !line.starts_with("    at ") && !line.starts_with("Node.js v"))
        .take_while(|line| !OWN.iter().any(|own| line.starts_with(own)))
        .collect();
    BuildError::Step {
        dir,
        what,
        output: said.join("\n").trim().to_owned(),
    }
}

fn name(dir: &Path) -> Result<String, BuildError> {
    let path = dir.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|error| files::error("read", &path, error))?;
    let manifest: Option<Value> = serde_json::from_str(&text).ok();
    let name = manifest.as_ref().and_then(|m| m.get("name")?.as_str());
    let name = name.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned());
    name.filter(|name| files::is_file_name(name))
        .ok_or(BuildError::NoName(path))
}
