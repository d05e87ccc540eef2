//! Every time is tokio's, which a jump of the wall clock does not move and which tests can pause.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// What reads another clock, and the files in which it may stand.
const CLOCKS: [(&str, &[&str]); 3] = [
    // The time at which a file was made, and the validity of certificates.
    ("SystemTime", &["msgrpc-transport/src/unix.rs", "msgrpc-transport/src/tls"]),
    ("std::time::Instant::now", &[]),
    ("time::UNIX_EPOCH", &["msgrpc-transport/src/tls"]),
];

/// All Rust files below a directory.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_time_is_taken_from_another_clock() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for directory in ["src", "msgrpc-core/src", "msgrpc-transport/src"] {
        sources(&root.join(directory), &mut files);
    }
    assert!(files.len() > 50, "these are not all");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root).unwrap().to_str().unwrap();
        // Tests may look at the time that really passes.
        let text = text.split("#[cfg(test)]").next().unwrap();
        for (clock, places) in CLOCKS {
            let allowed =
                name.contains("tests") || places.iter().any(|place| name.starts_with(place));
            assert!(allowed || !text.contains(clock), "{name} uses {clock}");
        }
        // `Instant::now()` is that of the `Instant` which the file imports.
        let std_instant = text
            .lines()
            .any(|line| line.starts_with("use std::time::") && line.contains("Instant"));
        let reads =
            text.contains("Instant::now()") && !text.contains("tokio::time::Instant::now()");
        assert!(!(std_instant && reads) || name.contains("tests"), "{name} reads the time of std");
    }
}
