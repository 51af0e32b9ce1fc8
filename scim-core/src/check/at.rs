//! Where a value stands, built without allocating until an error or a trace prints it.

use std::fmt;

/// A position such as `emails[0].type` or `urn:...:User:manager.value`, as a chain on the stack.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    /// What the caller said; empty for the resource itself.
    Text(&'a str),
    /// An extension, whose attributes follow after a colon.
    Uri(&'a str),
    /// An attribute of the resource or extension, or a sub-attribute.
    Name(&'a At<'a>, &'a str),
    /// An element of a list.
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    /// The resource as a whole.
    pub(crate) const ROOT: At<'static> = At::Text("");

    /// The member of this name; a name that a peer made up is cut, so that it cannot fill an answer or a log.
    pub(crate) fn name(&'a self, name: &'a str) -> At<'a> {
        const MOST: usize = 96;
        if name.len() <= MOST {
            return At::Name(self, name);
        }
        let end = name.char_indices().nth(MOST).map_or(name.len(), |(i, _)| i);
        At::Name(self, &name[..end])
    }

    /// The element at this index.
    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        At::Index(self, index)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Text(text) | At::Uri(text) => f.write_str(text),
            At::Name(At::Text(""), name) => f.write_str(name),
            At::Name(parent @ At::Uri(_), name) => write!(f, "{parent}:{name}"),
            At::Name(parent, name) => write!(f, "{parent}.{name}"),
            At::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_paths() {
        let emails = At::ROOT.name("emails");
        assert_eq!(emails.index(2).name("type").to_string(), "emails[2].type");
        let manager = At::Uri("urn:x:User");
        assert_eq!(manager.name("manager").name("value").to_string(), "urn:x:User:manager.value");
        let value = At::Text("Operations[0].value");
        assert_eq!(value.name("name").to_string(), "Operations[0].value.name");
        assert_eq!(At::ROOT.name(&"é".repeat(500)).to_string().chars().count(), 96);
    }
}
