//! `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` (RFC 7644 section 4).

use http::Method;
use scim_core::discovery::ServiceProviderConfig;
use scim_core::resource::from_value;
use scim_core::{Object, Registry, ResourceType, Schema, Value};
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::Error;
use crate::resources::Place;
use crate::send::{Answer, Call, Safety};
use crate::target::fields::DiscoveryPart;

/// What the service says about itself; made by [`Client::discovery`]. Nothing is kept: see [`Client::capabilities`] for
/// that.
#[derive(Clone, Debug)]
pub struct Discovery {
    client: Client,
}

impl Discovery {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The features and limits that the service announces. The plural of SCIM 1.1, `/ServiceProviderConfigs`, is tried
    /// where there is no singular.
    ///
    /// # Errors
    /// As any request.
    pub async fn service_provider_config(&self) -> Result<ServiceProviderConfig, Error> {
        let path = self.path(DiscoveryPart::ServiceProviderConfig)?;
        let answer = match self.fetch(path).await {
            Err(error) if error.is_not_found() => {
                match self.fetch("ServiceProviderConfigs").await {
                    Ok(answer) => Ok(answer),
                    Err(_) => Err(error),
                }
            }
            other => other,
        }?;
        let mut items = read_items(answer, "ServiceProviderConfig")?;
        match items.len() {
            1 => Ok(items.remove(0)),
            _ => Err(Error::Request("the service has more than one configuration".to_owned())),
        }
    }

    /// The resource types of the service.
    ///
    /// # Errors
    /// As any request.
    pub async fn resource_types(&self) -> Result<Vec<ResourceType>, Error> {
        read_items(self.fetch(self.path(DiscoveryPart::ResourceTypes)?).await?, "ResourceTypes")
    }

    /// The schemas of the service.
    ///
    /// # Errors
    /// As any request.
    pub async fn schemas(&self) -> Result<Vec<Schema>, Error> {
        read_items(self.fetch(self.path(DiscoveryPart::Schemas)?).await?, "Schemas")
    }

    /// Schemas and resource types together, to resolve paths and filters with.
    ///
    /// # Errors
    /// As any request, and [`Error::Request`] when they contradict each other.
    pub async fn registry(&self) -> Result<Registry, Error> {
        let (schemas, types) = (self.schemas().await?, self.resource_types().await?);
        Registry::served(schemas, types).map_err(|error| {
            Error::Request(format!("the schemas of the service cannot be used: {error}"))
        })
    }

    fn path(&self, part: DiscoveryPart) -> Result<&str, Error> {
        let target = self.client.target();
        let path = target.discovery_path(part);
        path.ok_or_else(|| target.unsupported(format!("{part:?}: it is not served")).into())
    }

    async fn fetch(&self, endpoint: &str) -> Result<Answer, Error> {
        let call = Call::new(Method::GET, Place::endpoint(endpoint), Safety::Safe);
        self.client.send(call).await
    }
}

/// Reads what discovery endpoints answer: a list response, or the one object itself.
fn read_items<T: DeserializeOwned>(mut answer: Answer, endpoint: &str) -> Result<Vec<T>, Error> {
    let body = answer.body.take().unwrap_or_default();
    let items: Result<Vec<T>, _> = items(body).into_iter().map(from_value).collect();
    items.map_err(|error| answer.undecodable(&Place::endpoint(endpoint), error.to_string()))
}

fn items(mut body: Object) -> Vec<Value> {
    match body.remove("Resources") {
        Some(Value::Array(items)) => items,
        _ => vec![Value::Object(body)],
    }
}
