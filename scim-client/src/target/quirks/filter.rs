//! Which filters a server takes.

use scim_core::{AttrPath, Filter};

use crate::target::fields::{FilterRules, Logical, Operator, Path};
use crate::target::{TargetProfile, Unsupported};

impl TargetProfile {
    /// Whether the server understands this filter at this endpoint.
    ///
    /// Servers answer filters that they do not understand with an error, with nothing or with everything; so what the
    /// profile does not allow is not sent at all.
    ///
    /// # Errors
    /// [`Unsupported`] names the part that it does not understand.
    pub fn admits(&self, endpoint: &str, filter: &Filter) -> Result<(), Unsupported> {
        let name = endpoint.trim_matches('/');
        if self.fields().features.filter == Some(false) {
            return Err(self.unsupported("filters"));
        }
        let rules = &self.rules(endpoint).filter;
        let mut walk = Walk { rules, parts: Parts::default() };
        walk.filter(filter, None)
            .and_then(|()| walk.whole())
            .map_err(|what| self.unsupported(format!("{what} in a filter of {name}: {filter}")))
    }
}

/// What a filter is made of.
#[derive(Default)]
struct Parts {
    compared: Vec<AttrPath>,
    nodes: usize,
    and: bool,
    or: bool,
}

struct Walk<'r> {
    rules: &'r FilterRules,
    parts: Parts,
}

impl Walk<'_> {
    fn filter(&mut self, filter: &Filter, within: Option<&AttrPath>) -> Result<(), String> {
        match filter {
            Filter::And(terms) => {
                self.joined(Logical::And, "and", terms.len())?;
                self.parts.and = true;
                terms.iter().try_for_each(|term| self.filter(term, within))
            }
            Filter::Or(terms) => {
                self.joined(Logical::Or, "or", terms.len())?;
                self.parts.or = true;
                terms.iter().try_for_each(|term| self.filter(term, within))
            }
            Filter::Not(inner) => {
                self.joined(Logical::Not, "not", 2)?;
                let op = match &**inner {
                    Filter::Compare(comparison) => Some(Operator::from(comparison.op)),
                    Filter::Present(_) => Some(Operator::Pr),
                    _ => None,
                };
                let allowed = &self.rules.not_before;
                if !allowed.is_empty() && !op.is_some_and(|op| allowed.contains(&op)) {
                    let words: Vec<&str> = allowed.iter().map(|op| op.as_str()).collect();
                    return Err(format!("`not` before anything but {}", words.join(", ")));
                }
                self.filter(inner, within)
            }
            Filter::Compare(comparison) => {
                self.compared(comparison.op.into(), &comparison.path, within)
            }
            Filter::Present(path) => self.compared(Operator::Pr, path, within),
            Filter::ValuePath { path, filter } => {
                if !self.rules.brackets {
                    return Err("brackets".to_owned());
                }
                self.parts.nodes += 1;
                self.filter(filter, Some(path))
            }
        }
    }

    fn joined(&mut self, logical: Logical, word: &str, terms: usize) -> Result<(), String> {
        self.parts.nodes += terms.saturating_sub(1);
        match self.rules.logical.contains(&logical) {
            true => Ok(()),
            false => Err(format!("`{word}`")),
        }
    }

    fn compared(
        &mut self,
        op: Operator,
        path: &AttrPath,
        within: Option<&AttrPath>,
    ) -> Result<(), String> {
        let path = match within {
            Some(outer) => outer.clone().with_sub(path.name().clone()),
            None => path.clone(),
        };
        let rules = self.rules;
        if !rules.operators.is_empty() && !rules.operators.contains(&op) {
            return Err(format!("the operator {}", op.as_str()));
        }
        if let Some(known) = rules.attributes.get(&op)
            && !known.iter().any(|attribute| attribute.is(&path))
        {
            return Err(format!("{path} with {}", op.as_str()));
        }
        self.parts.nodes += 1;
        self.parts.compared.push(path);
        Ok(())
    }

    /// What only all parts together tell.
    fn whole(&self) -> Result<(), String> {
        let Parts { compared, nodes, and, or } = &self.parts;
        let rules = self.rules;
        if !rules.max_comparisons.admits(compared.len()) {
            return Err(format!("more than {} comparisons", rules.max_comparisons));
        }
        if !rules.max_nodes.admits(*nodes) {
            return Err(format!("{nodes} nodes, more than {}", rules.max_nodes));
        }
        if *and && *or && !rules.mixed {
            return Err("both `and` and `or`".to_owned());
        }
        let listed = |list: &[Path], path: &AttrPath| list.iter().any(|known| known.is(path));
        if compared.len() > 1 {
            if let Some(path) = compared.iter().find(|path| listed(&rules.alone, path)) {
                return Err(format!("{path} together with something else"));
            }
            let one_set = |set: &Vec<Path>| {
                compared.len() == set.len()
                    && compared.iter().all(|path| listed(set, path))
                    && set.iter().all(|known| compared.iter().any(|path| known.is(path)))
            };
            if !rules.together.is_empty() && !rules.together.iter().any(one_set) {
                return Err("this combination of attributes".to_owned());
            }
        } else if let Some(path) = compared.iter().find(|path| listed(&rules.never_alone, path)) {
            return Err(format!("{path} alone"));
        }
        Ok(())
    }
}
