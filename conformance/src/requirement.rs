//! The requirements of the RFCs that checks rest on, one a line of `requirements.tsv`.

/// One requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Its id, for example `7644-3.5.2.1-05`: RFC, section, number.
    pub id: &'static str,
    /// The RFC.
    pub rfc: &'static str,
    /// The section.
    pub section: &'static str,
    /// `MUST`, `SHOULD` or `MAY`.
    pub level: &'static str,
    /// Who has to: `server`, `client` or `both`.
    pub role: &'static str,
    /// What it is about.
    pub topic: &'static str,
    /// What has to be, in our words.
    pub text: &'static str,
    /// How to see it from outside; `-` where that is not possible.
    pub observable: &'static str,
}

impl Requirement {
    /// Every requirement.
    pub fn all() -> impl Iterator<Item = Self> {
        include_str!("../requirements.tsv").lines().skip(1).filter_map(Self::read)
    }

    /// The requirement with this id.
    #[must_use]
    pub fn find(id: &str) -> Option<Self> {
        Self::all().find(|one| one.id == id)
    }

    /// Where to read it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://www.rfc-editor.org/rfc/rfc{}#section-{}", self.rfc, self.section)
    }

    fn read(line: &'static str) -> Option<Self> {
        let mut cells = line.split('\t');
        let mut next = || cells.next();
        Some(Self {
            id: next()?,
            rfc: next()?,
            section: next()?,
            level: next()?,
            role: next()?,
            topic: next()?,
            text: next()?,
            observable: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_requirement() {
        let lines = include_str!("../requirements.tsv").lines().count() - 1;
        assert_eq!(Requirement::all().count(), lines);
        for one in Requirement::all() {
            assert!(["MUST", "SHOULD", "MAY"].contains(&one.level), "{one:?}");
            assert!(["server", "client", "both"].contains(&one.role), "{one:?}");
        }
    }

    #[test]
    fn a_requirement_says_where_to_read_it() {
        let one = Requirement::find("7644-4-05").unwrap();
        assert_eq!(one.url(), "https://www.rfc-editor.org/rfc/rfc7644#section-4");
        assert_eq!(Requirement::find("7644-4"), None);
    }
}
