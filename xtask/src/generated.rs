//! Documents that the code writes and the repository keeps: compared, or written anew.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace::{self, Workspace};

/// The OpenAPI 3.1 document of the server.
pub(crate) const OPENAPI: Document = Document {
    file: "scim-server/openapi.json",
    program: "scim-server",
    args: &["openapi"],
    update: "cargo xtask openapi --write",
};

/// The OpenAPI 3.1 document of the provisioning service.
pub(crate) const OPENAPI_SERVICE: Document = Document {
    file: "provisioning-service/openapi.json",
    program: "provisioning-service",
    args: &["openapi"],
    update: "cargo xtask openapi --write",
};

/// The list of tolerances: name, peer, clause, default.
pub(crate) const TOLERANCES: Document = Document {
    file: "docs/tolerances.md",
    program: "tolerances",
    args: &[],
    update: "cargo xtask tolerances --write",
};

/// A file in the repository and the program whose standard output it has to equal.
#[derive(Debug)]
pub(crate) struct Document {
    file: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    update: &'static str,
}

impl Document {
    /// Compares the file with what the program says, or writes it.
    pub(crate) fn run(&self, workspace: &Workspace, write: bool) -> Result<()> {
        let program = workspace.built(self.program)?;
        let now = workspace::text_of(workspace.command(program).args(self.args))?;
        let path = workspace.root.join(self.file);
        if write {
            fs::write(&path, now).with_context(|| format!("write {}", self.file))?;
            println!("wrote {}", self.file);
            return Ok(());
        }
        let kept = fs::read_to_string(&path)
            .with_context(|| format!("read {}; `{}` writes it", self.file, self.update))?;
        if let Some(line) = first_difference(&kept, &now) {
            bail!("{} is out of date from line {line} on; `{}` writes it", self.file, self.update);
        }
        println!("{} is up to date", self.file);
        Ok(())
    }
}

/// The number of the first line that differs, counted from 1.
fn first_difference(kept: &str, now: &str) -> Option<usize> {
    if kept == now {
        return None;
    }
    let same = kept.split('\n').zip(now.split('\n')).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn finds_the_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\nb", "a\nb\n"), Some(3));
        assert_eq!(first_difference("", "a"), Some(1));
    }
}
