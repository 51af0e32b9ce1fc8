//! Links between the documents of this repository lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// Follows every relative link of every Markdown file.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut files = Vec::new();
    collect(&workspace.root, &workspace.target, &mut files)?;
    let mut broken = Vec::new();
    let mut followed = 0;
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        let folder = file.parent().unwrap_or(&workspace.root);
        for link in relative_links(&text) {
            followed += 1;
            if !folder.join(link).exists() {
                let file = file.strip_prefix(&workspace.root).unwrap_or(file);
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    ensure!(broken.is_empty(), "links that lead nowhere:\n  {}", broken.join("\n  "));
    println!("{followed} links in {} documents lead somewhere", files.len());
    Ok(())
}

fn collect(folder: &Path, target: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() {
            if !hidden && path != target {
                collect(&path, target, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    Ok(())
}

/// The targets of `[text](target)`, without those on the web or in the same document, and
/// without what stands in code.
fn relative_links(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines()
        .filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            !in_code && !fence
        })
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| {
            !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
        })
}

#[cfg(test)]
mod tests {
    use super::relative_links;

    #[test]
    fn finds_what_leads_to_files() {
        let text = "See [a](docs/a.md#part), [b](https://b.example/) and [c](#here).\n\
                    ```\nnot [d](d.md)\n```\n| [e](e/) | [f](../f.md) |\n";
        let links: Vec<_> = relative_links(text).collect();
        assert_eq!(links, ["docs/a.md", "e/", "../f.md"]);
    }
}
