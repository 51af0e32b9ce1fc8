//! Reading a large answer page by page (RFC 2696), and what to think of references to elsewhere.

use scim_sync::ConnectorError;

use super::controls::{self, PAGED_RESULTS};
use super::dn;
use super::entry::Entry;
use super::result::{self, code};
use super::session::{Item, SearchRequest, Session};

/// A search whose answer comes in pages. It has come to its end only when [`Pages::next`] gave `None`.
pub(crate) struct Pages {
    request: SearchRequest,
    size: u32,
    cookie: Vec<u8>,
    ended: bool,
}

impl Pages {
    pub(crate) fn new(request: SearchRequest, size: u32) -> Self {
        Self { request, size: size.max(1), cookie: Vec::new(), ended: false }
    }

    /// The next page; `None` after the last one.
    ///
    /// # Errors
    /// Whatever cut the search off, so that a part is never taken for the whole.
    pub(crate) async fn next(
        &mut self,
        session: &mut Session,
        what: &'static str,
    ) -> Result<Option<Vec<Entry>>, ConnectorError> {
        if self.ended {
            return Ok(None);
        }
        let mut controls = self.request.controls.clone();
        controls.push(controls::paged_request(self.size, &self.cookie));
        let request = SearchRequest {
            base: self.request.base.clone(),
            scope: self.request.scope,
            filter: self.request.filter.clone(),
            attributes: self.request.attributes.clone(),
            controls,
        };
        let server = session.server().to_owned();
        let mut search = session.search(request, what).await?;
        let mut entries = Vec::new();
        while let Some(item) = search.next().await? {
            match item {
                Item::Entry(entry) => entries.push(entry),
                Item::Reference(addresses) => elsewhere(&server, &addresses, what)?,
                Item::Intermediate(..) => {}
            }
        }
        let done = search.finish().await?;
        if done.rc != code::SUCCESS {
            return Err(result::refused(&server, what, done.rc, &done.text));
        }
        // A server that knows no pages answers without the control, and then has answered in full.
        self.cookie = match done.control(PAGED_RESULTS) {
            Some(value) => controls::paged_answer(value).map_err(|error| {
                ConnectorError::Protocol(format!(
                    "{server} sent a page whose end cannot be read: {error}"
                ))
            })?,
            None => Vec::new(),
        };
        self.ended = self.cookie.is_empty();
        Ok(Some(entries))
    }
}

/// Judges a continuation reference.
///
/// Active Directory sends one for each other tree below the base (a child domain, the zones of DNS, the configuration):
/// those are read by other connectors or by none. Any other means that a part of what was asked for is on another server,
/// and the answer is not whole.
pub(crate) fn elsewhere(
    server: &str,
    addresses: &[String],
    what: &str,
) -> Result<(), ConnectorError> {
    let other_tree = |address: &String| {
        let name = address.splitn(4, '/').nth(3).unwrap_or("");
        let name = name.split('?').next().unwrap_or(name);
        let rdn = dn::rdn(name).to_ascii_lowercase();
        rdn.starts_with("dc=") || rdn == "cn=configuration"
    };
    if !addresses.is_empty() && addresses.iter().all(other_tree) {
        return Ok(());
    }
    Err(ConnectorError::Incomplete(format!(
        "{server} has a part of what {what} asks for on another server ({}): read that server, or leave that part out of \
         the base",
        addresses.first().map_or("unnamed", String::as_str)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_trees_are_no_part_of_this_one() {
        let judge = |address: &str| elsewhere("ldap://dc1", &[address.to_owned()], "the search");
        assert!(judge("ldap://DomainDnsZones.corp/DC=DomainDnsZones,DC=corp").is_ok());
        assert!(judge("ldap://corp/CN=Configuration,DC=corp").is_ok());
        assert!(judge("ldap://child.corp/DC=child,DC=corp??sub").is_ok());
        let error = judge("ldap://other/ou=People,dc=corp").unwrap_err();
        assert!(matches!(error, ConnectorError::Incomplete(_)));
        assert!(error.to_string().contains("ldap://other"), "{error}");
        assert!(elsewhere("s", &[], "x").is_err());
    }
}
