//! `${NAME}` in a configuration file.

use toml::{Table, Value};

use super::ConfigError;

/// Where names are looked up: the environment of the process, or that of a test.
pub trait Environment {
    /// The value of a variable.
    fn get(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// The environment of this process. A variable that is no text counts as not set.
#[derive(Clone, Copy, Debug)]
pub struct Process;

impl Environment for Process {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Puts variables in their places in all texts of a table but those under the keys in `except`: rules have a `${...}` of
/// their own, and nobody's environment is to change them.
pub(super) fn expand(
    table: &mut Table,
    except: &[&str],
    environment: &dyn Environment,
) -> Result<(), ConfigError> {
    for (key, value) in table.iter_mut().filter(|(key, _)| !except.contains(&key.as_str())) {
        expand_value(value, key, environment)?;
    }
    Ok(())
}

fn expand_value(
    value: &mut Value,
    at: &str,
    environment: &dyn Environment,
) -> Result<(), ConfigError> {
    match value {
        Value::String(text) => *text = expanded(text, at, environment)?,
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand_value(item, &format!("{at}[{index}]"), environment)?;
            }
        }
        Value::Table(table) => {
            for (key, item) in table.iter_mut() {
                expand_value(item, &format!("{at}.{key}"), environment)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// `${NAME}` and `${NAME:-what there is instead}`; `$${` stands for `${`.
fn expanded(text: &str, at: &str, environment: &dyn Environment) -> Result<String, ConfigError> {
    let wrong = |message: String| ConfigError::new(format!("{at}: {message}"));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let before = &rest[..start];
        rest = &rest[start + 2..];
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            continue;
        }
        out.push_str(before);
        let end =
            rest.find('}').ok_or_else(|| wrong(format!("`${{{rest}` has no closing brace")))?;
        let (name, default) = match rest[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&rest[..end], None),
        };
        rest = &rest[end + 1..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(wrong(format!("`{name}` is no name of an environment variable")));
        }
        match (environment.get(name).filter(|value| !value.is_empty()), default) {
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                return Err(wrong(format!("the environment variable {name} is not set")));
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand_one(text: &str) -> Result<String, String> {
        let environment = |name: &str| match name {
            "URI" => Some("ldaps://dc1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        expanded(text, "source[0].uri", &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_put_in_their_places() {
        assert_eq!(expand_one("a ${URI}:636 b"), Ok("a ldaps://dc1:636 b".to_owned()));
        assert_eq!(expand_one("${NONE:-x}${EMPTY:-}"), Ok("x".to_owned()));
        assert_eq!(expand_one("$${URI} costs $5"), Ok("${URI} costs $5".to_owned()));
    }

    #[test]
    fn what_is_missing_is_named_with_its_place() {
        let error = expand_one("${NONE}").unwrap_err();
        assert!(error.contains("source[0].uri") && error.contains("NONE"), "{error}");
        assert!(expand_one("${EMPTY}").unwrap_err().contains("EMPTY"));
        assert!(expand_one("${URI").unwrap_err().contains("closing brace"));
        assert!(expand_one("${A B}").unwrap_err().contains("A B"));
    }
}
