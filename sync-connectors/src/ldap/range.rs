//! Attributes with more values than a server gives at once: Active Directory cuts at 1,500 (MS-ADTS section 3.1.1.3.1.3.3).

use ldap3::controls::RawControl;
use scim_sync::{AttributeName, ConnectorError};

use super::entry::{Entry, Range};
use super::session::Session;

/// Whether a range is a slice of a list, rather than DirSync's way of saying what came and what went.
fn is_slice(range: Range, dirsync: bool) -> bool {
    !(dirsync && (range == Range::ADDED || range == Range::REMOVED))
}

/// Whether an attribute of the entry came only in part.
pub(crate) fn is_cut(entry: &Entry, names: &[AttributeName], dirsync: bool) -> bool {
    names
        .iter()
        .any(|name| entry.ranges(name.as_str()).into_iter().any(|range| is_slice(range, dirsync)))
}

/// Reads the rest of every attribute of `names` that came only in part, from the object named `base`.
///
/// # Errors
/// [`ConnectorError::Incomplete`] when the server stops before it said that it was the end.
pub(crate) async fn complete(
    session: &mut Session,
    entry: &mut Entry,
    base: &str,
    names: &[AttributeName],
    controls: &[RawControl],
) -> Result<(), ConnectorError> {
    for name in names {
        let name = name.as_str();
        let Some(first) = entry.ranges(name).into_iter().find(|range| range.from == 0) else {
            continue;
        };
        let mut values = entry.range(name, first).to_vec();
        let mut last = first;
        while let Some(to) = last.to {
            let from = to.saturating_add(1);
            let wanted = format!("{name};range={from}-*");
            let what = "reading the rest of a long list";
            let part = session.read(base, &[&wanted], controls.to_vec(), what).await?;
            let next = part.as_ref().and_then(|part| {
                let range = part.ranges(name).into_iter().find(|range| range.from == from)?;
                Some((range, part.range(name, range)))
            });
            let Some((range, more)) =
                next.filter(|(range, more)| range.to.is_none() || !more.is_empty())
            else {
                return Err(ConnectorError::Incomplete(format!(
                    "{} gave {} values of {name} of {} and not the rest",
                    session.server(),
                    values.len(),
                    entry.dn
                )));
            };
            values.extend_from_slice(more);
            last = range;
        }
        entry.complete(name, values);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_told_from_changes() {
        let members = ["member".into()];
        let cut = Entry::new("CN=g").with("member;range=0-1499", ["a"]);
        assert!(is_cut(&cut, &members, true));
        let came = Entry::new("CN=g").with("member;range=1-1", ["a"]);
        assert!(!is_cut(&came, &members, true));
        assert!(is_cut(&came, &members, false));
        assert!(!is_cut(&Entry::new("CN=g").with("member", ["a"]), &members, false));
    }
}
