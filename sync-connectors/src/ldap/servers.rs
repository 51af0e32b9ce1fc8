//! Which of the configured servers is talked to, and who it is.

use scim_sync::ConnectorError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::config::LdapConfig;
use super::guid;
use super::session::Session;

/// Who a server is, as far as changes are counted: a copy restored from a backup is another one (`invocationId`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerIdentity {
    /// The host name that it gives itself, or its URL.
    pub(crate) name: String,
    /// Active Directory: the identity of its copy of the directory.
    pub(crate) invocation_id: Option<Uuid>,
}

/// What a server says about itself.
#[derive(Clone, Debug)]
pub(crate) struct RootDse {
    /// Who it is.
    pub(crate) identity: ServerIdentity,
    /// Where its schema is published.
    pub(crate) subschema: Option<String>,
    /// Where the definitions of attributes are (Active Directory).
    pub(crate) schema_base: Option<String>,
    /// Which trees it holds.
    pub(crate) contexts: Vec<String>,
    /// Which of them is the domain (Active Directory).
    pub(crate) default_context: Option<String>,
    /// The number of its latest change (Active Directory).
    pub(crate) highest_usn: Option<i64>,
    /// The controls that it knows.
    pub(crate) controls: Vec<String>,
}

impl RootDse {
    pub(crate) async fn read(session: &mut Session) -> Result<Self, ConnectorError> {
        let attributes = [
            "subschemaSubentry",
            "schemaNamingContext",
            "namingContexts",
            "defaultNamingContext",
            "supportedControl",
            "highestCommittedUSN",
            "dsServiceName",
            "dnsHostName",
        ];
        let what = "reading what the server says about itself";
        let entry = session.read("", &attributes, Vec::new(), what).await?.ok_or_else(|| {
            ConnectorError::Protocol(format!("{} says nothing about itself", session.server()))
        })?;
        let list = |name: &str| entry.texts(name).map(str::to_owned).collect();
        let mut invocation_id = None;
        if let Some(service) = entry.text("dsServiceName") {
            let what = "reading which domain controller answers";
            let service = session.read(service, &["invocationId"], Vec::new(), what).await?;
            let octets = service.as_ref().and_then(|found| found.values("invocationId").first());
            invocation_id = octets.and_then(|octets| guid::from_octets(octets));
        }
        let name = entry.text("dnsHostName").unwrap_or(session.server()).to_owned();
        Ok(Self {
            identity: ServerIdentity { name, invocation_id },
            subschema: entry.text("subschemaSubentry").map(str::to_owned),
            schema_base: entry.text("schemaNamingContext").map(str::to_owned),
            contexts: list("namingContexts"),
            default_context: entry.text("defaultNamingContext").map(str::to_owned),
            highest_usn: entry.number("highestCommittedUSN"),
            controls: list("supportedControl"),
        })
    }

    /// Whether it knows a control.
    pub(crate) fn knows(&self, oid: &str) -> bool {
        self.controls.iter().any(|known| known == oid)
    }
}

/// Connects to the first server that answers; when changes are counted by one of them, to that one.
///
/// A wrong password is wrong everywhere: only a server that cannot be reached makes the next one be tried.
///
/// # Errors
/// What the last server answered; [`ConnectorError::WatermarkRefused`] when servers answer but not the `owner`.
pub(crate) async fn connect(
    config: &LdapConfig,
    owner: Option<&ServerIdentity>,
) -> Result<(Session, RootDse), ConnectorError> {
    config.check()?;
    let mut failure = None;
    let mut stranger = None;
    for server in &config.servers {
        let opened = async {
            let mut session = Session::open(config, server).await?;
            let root = RootDse::read(&mut session).await?;
            Ok((session, root))
        };
        match opened.await {
            Ok((session, root)) => match owner {
                Some(owner) if !owner.is(&root.identity) => stranger = Some(root.identity.name),
                _ => return Ok((session, root)),
            },
            Err(error @ ConnectorError::Unreachable(_)) => {
                tracing::warn!(connector = %config.id, %error, "a server cannot be used");
                failure = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    if let (Some(stranger), Some(owner)) = (stranger, owner) {
        return Err(ConnectorError::WatermarkRefused(format!(
            "they were counted by {}, and {stranger} counts on its own",
            owner.name
        )));
    }
    Err(failure.unwrap_or_else(|| {
        ConnectorError::Configuration(format!("connector {}: no server is given", config.id))
    }))
}

impl ServerIdentity {
    /// Whether changes that `self` counted are those that `other` counts.
    fn is(&self, other: &Self) -> bool {
        match (self.invocation_id, other.invocation_id) {
            (Some(own), Some(other)) => own == other,
            (None, None) => self.name == other.name,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str, id: Option<u128>) -> ServerIdentity {
        ServerIdentity { name: name.to_owned(), invocation_id: id.map(Uuid::from_u128) }
    }

    #[test]
    fn a_restored_server_of_the_same_name_is_another_one() {
        assert!(identity("dc1", Some(1)).is(&identity("dc1.corp", Some(1))));
        assert!(!identity("dc1", Some(1)).is(&identity("dc1", Some(2))));
        assert!(!identity("dc1", Some(1)).is(&identity("dc1", None)));
        assert!(identity("ldap://a", None).is(&identity("ldap://a", None)));
    }
}
