//! The next certificate, with a new key. The key in use stays until the service has taken the next one; each step leaves
//! files from which the one after it goes on.

use anyhow::Result;
use scim_sync_link::gateway::{BootstrapResponse, RenewRequest};

use super::gateway::{Gateway, GatewayError};
use super::way::Way;
use crate::identity::{About, Identity, IdentityFolder, Issued};

/// An identity that the service has just taken, and what it answered.
pub(crate) struct Taken {
    pub(crate) identity: Identity,
    pub(crate) gateway: Gateway,
    pub(crate) answer: BootstrapResponse,
}

/// Tries the next identity, where a renewal came that far, and takes it into use where the service takes it.
///
/// # Errors
/// Where it could not be tried: it is kept for the next time.
pub(crate) async fn settle(way: &Way<'_>, folder: &IdentityFolder) -> Result<Option<Taken>> {
    let identity = match folder.next() {
        Ok(Some(identity)) => identity,
        Ok(None) => return Ok(None),
        Err(error) => {
            tracing::warn!("the next certificate is damaged and is given up: {error}");
            folder.discard()?;
            return Ok(None);
        }
    };
    let gateway = way.gateway(&identity)?;
    match gateway.bootstrap(&way.hello()).await {
        Ok(answer) => {
            folder.promote(&identity)?;
            Ok(Some(Taken { identity, gateway, answer }))
        }
        Err(error) if error.is_final() => {
            tracing::warn!(
                "the service does not take the next certificate, which is given up: {error}"
            );
            folder.discard()?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Has a new key signed, proven with the one in use, and takes it into use; a renewal that broke off goes on where it was.
///
/// # Errors
/// Where it came to no end: the identity in use is the same as before.
pub(crate) async fn renew(
    way: &Way<'_>,
    folder: &IdentityFolder,
    current: &Identity,
    gateway: &Gateway,
) -> Result<Option<Taken>> {
    if let Some(taken) = settle(way, folder).await? {
        return Ok(Some(taken));
    }
    let pending = folder.begin()?;
    let answer = match gateway.renew(&RenewRequest { csr_pem: pending.request()? }).await {
        Ok(answer) => answer,
        Err(error @ GatewayError::Refused { .. }) => {
            // Whatever it is about this key, the next try has another.
            folder.discard()?;
            return Err(error.into());
        }
        Err(error) => return Err(error.into()),
    };
    let issued = Issued {
        about: About { renew_after: answer.renew_after, ..current.about.clone() },
        certificate: answer.certificate_pem,
        authority: answer.ca_pem,
    };
    folder.keep(&pending, &issued)?;
    settle(way, folder).await
}
