//! A command for WASI 0.2 that does not know the gate. It performs each line of `/data/steps` with the
//! standard library, and prints the results.

use std::{
    fs::{self, File, OpenOptions},
    io::{Error, Read as _, Seek as _, SeekFrom, Write as _},
};

fn main() {
    let steps = match fs::read_to_string("/data/steps") {
        Ok(steps) => steps,
        Err(error) => return println!("no steps: {error}"),
    };
    for step in steps.lines() {
        let words: Vec<&str> = step.split(' ').collect();
        match done(&words) {
            Ok(said) => println!("{step}: {said}"),
            // The standard library has no kind for some of WASI's codes.
            Err(error) => match (format!("{:?}", error.kind()).as_str(), error.raw_os_error()) {
                ("Uncategorized", Some(code)) => println!("{step}: errno {code}"),
                (kind, _) => println!("{step}: {kind}"),
            },
        }
    }
}

fn done(words: &[&str]) -> Result<String, Error> {
    let nothing = |()| "done".to_owned();
    match *words {
        ["read", path] => fs::read_to_string(path),
        ["skip", n, path] => {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(n.parse().unwrap_or_default()))?;
            let mut rest = String::new();
            file.read_to_string(&mut rest)?;
            Ok(rest)
        }
        ["write", path, text] => fs::write(path, text).map(nothing),
        ["new", path, text] => File::create_new(path)?
            .write_all(text.as_bytes())
            .map(nothing),
        ["append", path, text] => OpenOptions::new()
            .append(true)
            .open(path)?
            .write_all(text.as_bytes())
            .map(nothing),
        ["sync", path, text] => {
            let mut file = File::create(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all().map(nothing)
        }
        // Leave it open, and stop.
        ["crash", path, text] => {
            let mut file = File::create(path)?;
            file.write_all(text.as_bytes())?;
            std::process::abort()
        }
        ["large", path] => {
            let mut file = File::create(path)?;
            for _ in 0..9 {
                file.write_all(&vec![b'x'; 1 << 20])?;
            }
            Ok("done".into())
        }
        ["list", path] => {
            let mut names = Vec::new();
            for entry in fs::read_dir(path)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort();
            Ok(names.join(","))
        }
        ["size", path] => fs::metadata(path).map(|found| found.len().to_string()),
        // As for writing alone.
        ["size-of-open", path] => OpenOptions::new()
            .write(true)
            .open(path)?
            .metadata()
            .map(|found| found.len().to_string()),
        ["mkdir", path] => fs::create_dir(path).map(nothing),
        ["rmdir", path] => fs::remove_dir(path).map(nothing),
        ["remove", path] => fs::remove_file(path).map(nothing),
        ["rename", from, to] => fs::rename(from, to).map(nothing),
        ["link", from, to] => fs::hard_link(from, to).map(nothing),
        _ => Ok("no such step".into()),
    }
}
