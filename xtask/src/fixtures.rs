//! The fixtures that two crates have must be the same: each published crate carries its own copy.

use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[test]
fn copies_of_fixtures_are_equal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let core = files(&root.join("scim-core/tests/fixtures"));
    let server = files(&root.join("scim-server/tests/fixtures"));
    let mut compared = 0;
    for ours in &server {
        // Files of one name stand for one thing; `index.tsv` and `README.md` are told apart by their folder.
        let key = |path: &Path| {
            let name = path.file_name().unwrap().to_owned();
            let folder = path.parent().unwrap().file_name().unwrap().to_owned();
            if name == "index.tsv" || name == "README.md" {
                (name, Some(folder))
            } else {
                (name, None)
            }
        };
        for theirs in core.iter().filter(|theirs| key(theirs) == key(ours)) {
            compared += 1;
            assert!(
                fs::read(ours).unwrap() == fs::read(theirs).unwrap(),
                "{} and {} differ",
                ours.display(),
                theirs.display()
            );
        }
    }
    assert!(compared >= 60, "only {compared} fixtures are in both crates");
}
