//! Styles, scripts and the sign of the page. Each name holds the digest of what is in it, so browsers keep them for good.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use super::layout;

/// A file that pages name.
pub(super) struct Asset {
    /// Its address.
    pub(super) path: String,
    content_type: &'static str,
    content: &'static [u8],
}

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "css", include_bytes!("assets/console.css")));
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "js", include_bytes!("assets/console.js")));
/// htmx 2.0.11, as it was published; its licence (0BSD) is beside it.
pub(super) static HTMX: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("htmx", "js", include_bytes!("assets/htmx.min.js")));
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", include_bytes!("assets/icon.svg")));

const FOLDER: &str = "/console/assets/";

impl Asset {
    fn new(name: &str, kind: &str, content: &'static [u8]) -> Self {
        let digest = Sha256::digest(content);
        let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let content_type = match kind {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        Self { path: format!("{FOLDER}{name}.{short}.{kind}"), content_type, content }
    }
}

/// `GET /console/assets/{name}`
pub(super) async fn get(Path(name): Path<String>) -> Response {
    let all = [&STYLE, &SCRIPT, &HTMX, &ICON];
    let Some(asset) = all.into_iter().find(|asset| asset.path.strip_prefix(FOLDER) == Some(&name))
    else {
        return layout::bare(StatusCode::NOT_FOUND, "Not here", "There is no such file.");
    };
    let mut response = Response::new(Body::from(asset.content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(CACHE_CONTROL, forever);
    response
}
