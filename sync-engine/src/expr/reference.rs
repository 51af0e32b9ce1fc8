//! The reference of the language as a page, made of the tables the evaluator works by.

use std::fmt::Write;

use super::Dialect;
use super::functions;

/// The lists of `docs/expressions.md`: every function of both dialects with its signature, a line and its examples.
///
/// The page is held against this by a test, and the examples are evaluated by another, so that neither can drift.
#[must_use]
pub fn reference() -> String {
    let mut out = String::new();
    for (title, dialect) in
        [("Provisioning dialect", Dialect::Provisioning), ("Connect dialect", Dialect::Connect)]
    {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "## {title}\n");
        for (topic, functions) in functions::topics(dialect) {
            if functions.is_empty() {
                continue;
            }
            let _ = writeln!(out, "### {topic}\n");
            for function in functions {
                let _ = writeln!(out, "**`{}`** - {}", function.signature(), function.summary);
                let types: Vec<String> = function
                    .params
                    .iter()
                    .map(|param| format!("{}: {}", param.name, param.want.describe()))
                    .collect();
                if !types.is_empty() {
                    let _ = writeln!(out, "<br>{}", types.join("; "));
                }
                let _ = writeln!(out, "\n```text");
                for (expression, result) in function.examples {
                    let _ = writeln!(out, "{expression}  ->  {result}");
                }
                let _ = writeln!(out, "```\n");
            }
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Every example: the dialect, the function, the expression and its result.
#[doc(hidden)]
pub fn examples() -> impl Iterator<Item = (Dialect, &'static str, &'static str, &'static str)> {
    [Dialect::Provisioning, Dialect::Connect].into_iter().flat_map(|dialect| {
        functions::all(dialect).flat_map(move |function| {
            let examples = function.examples.iter();
            examples.map(move |(text, result)| (dialect, function.name, *text, *result))
        })
    })
}
