//! Limits that the parsers enforce while they read, so that no input can exhaust stack, memory or time.

/// Upper bounds on what a peer may send. The defaults suit a server on the open network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Levels of arrays and objects in a JSON body. 64.
    pub json_depth: usize,
    /// Bytes of a filter or PATCH path. 16,384; a longer filter is answered with 400 `invalidFilter`, a longer path with
    /// 400 `invalidPath`.
    pub filter_length: usize,
    /// Nested parentheses, `not` and brackets of a filter. 32.
    pub filter_depth: usize,
    /// Comparisons in one filter. 512.
    pub filter_terms: usize,
    /// Operations in one PATCH request. 1,000.
    pub patch_operations: usize,
    /// Operations in one bulk request; published in ServiceProviderConfig. 1,000.
    pub bulk_operations: usize,
    /// Bytes of a request body; published in ServiceProviderConfig. 4 MiB.
    pub payload_bytes: usize,
    /// Names in an `attributes` or `excludedAttributes` list. 256.
    pub projection_names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            json_depth: 64,
            filter_length: 16 * 1024,
            filter_depth: 32,
            filter_terms: 512,
            patch_operations: 1_000,
            bulk_operations: 1_000,
            payload_bytes: 4 * 1024 * 1024,
            projection_names: 256,
        }
    }
}
