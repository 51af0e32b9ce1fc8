//! Media types (RFC 7644 section 3.1 and 8.1).

/// `application/scim+json`: what is sent in every answer.
pub const SCIM_JSON: &str = "application/scim+json";

/// Whether a request body of this `Content-Type` is read: `application/scim+json` or `application/json`, with any
/// parameters but a charset other than UTF-8.
pub fn is_accepted(content_type: &str) -> bool {
    let mut parts = content_type.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    let known =
        essence.eq_ignore_ascii_case(SCIM_JSON) || essence.eq_ignore_ascii_case("application/json");
    known
        && parts.all(|parameter| match parameter.trim().split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                matches!(value.trim_matches('"').to_ascii_lowercase().as_str(), "utf-8" | "utf8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::is_accepted;

    #[test]
    fn content_types() {
        for good in [
            "application/scim+json",
            "application/JSON; charset=utf-8",
            "application/scim+json;charset=\"UTF-8\";x=y",
        ] {
            assert!(is_accepted(good), "{good}");
        }
        for bad in [
            "text/plain",
            "application/xml",
            "application/json; charset=latin1",
            "",
            "application/scim+json2",
        ] {
            assert!(!is_accepted(bad), "{bad}");
        }
    }
}
