//! Tools in JavaScript: bundled by esbuild, then made a component with an engine by componentize-js. Both come from
//! npm, as pinned by the project's lock file.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

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
/// The entry: the tools register themselves, the SDK offers them.
const ENTRY: &str = "import './tool.js';\nexport { tools } from './sdk/tollgate.js';\n";

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
        let entry = project.tools.join(".tollgate-entry.mjs");
        let bundle = project.tools.join(".tollgate-bundle.mjs");
        fs::write(&entry, ENTRY.replace("'./", "'../"))
            .map_err(|error| files::error("write", &entry, error))?;
        let mut esbuild = process::command(bin.join("esbuild"), &project.dir);
        esbuild.arg(&entry).args([
            "--bundle",
            "--format=esm",
            "--platform=neutral",
            "--main-fields=module,main",
            "--conditions=import,default",
            "--external:tollgate:*",
            "--log-level=warning",
            // If the SDK is a link, its imports are resolved from the location of the link.
            "--preserve-symlinks",
        ]);
        esbuild.arg(format!("--outfile={}", bundle.display()));
        project.run("bundling", esbuild)?;
        let mut componentize = process::command(bin.join("componentize-js"), &project.dir);
        componentize
            .arg(&bundle)
            .args(["--wit", WIT, "-n", "adapter"]);
        componentize.arg("--disable").args(DISABLED);
        componentize.arg("--out").arg(made);
        project.run(&format!("building {}", project.name), componentize)
    })
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
