//! What a server can do: what it announces, corrected by what is known about it.

use std::fmt;

use scim_core::discovery::ServiceProviderConfig;

use super::TargetProfile;
use super::fields::{Action, Limit, Removal, Returned};

/// Where a fact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The server's ServiceProviderConfig.
    Announced,
    /// The target profile.
    Profile,
    /// Neither says anything; the RFCs have this for servers that do not.
    Default,
}

impl Origin {
    /// The word in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Profile => "profile",
            Self::Default => "default",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A fact and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<T> {
    /// What holds.
    pub value: T,
    /// Who says so.
    pub origin: Origin,
}

impl<T> Fact<T> {
    /// The profile's word, else the server's, else the default.
    fn of(profile: Option<T>, announced: Option<T>, default: T) -> Self {
        match (profile, announced) {
            (Some(value), _) => Self { value, origin: Origin::Profile },
            (None, Some(value)) => Self { value, origin: Origin::Announced },
            (None, None) => Self { value: default, origin: Origin::Default },
        }
    }
}

/// What the target can do: what its ServiceProviderConfig says, overridden by its profile, each fact with its origin.
///
/// `Display` writes it as a table, together with the rules of the profile.
///
/// ```
/// use scim_client::scim_core::discovery::ServiceProviderConfig;
/// use scim_client::target::{Capabilities, Origin, TargetProfile};
///
/// let announced = ServiceProviderConfig::new().with_patch().with_bulk(100, 1_000_000);
/// let aws = TargetProfile::named("aws")?;
/// let effective = Capabilities::from_service_provider_config(Some(&announced), &aws);
/// assert!(effective.patch.value);
/// assert!(!effective.bulk.value, "AWS has none, whatever it says");
/// assert_eq!(effective.bulk.origin, Origin::Profile);
/// # Ok::<(), scim_client::target::ProfileError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// PATCH.
    pub patch: Fact<bool>,
    /// Bulk.
    pub bulk: Fact<bool>,
    /// Operations in one bulk request.
    pub bulk_max_operations: Fact<Option<usize>>,
    /// Bytes of one bulk request.
    pub bulk_max_bytes: Fact<Option<usize>>,
    /// Filters.
    pub filter: Fact<bool>,
    /// Resources that one query yields at most.
    pub filter_max_results: Fact<Option<usize>>,
    /// Sorting.
    pub sort: Fact<bool>,
    /// Versions and conditional requests.
    pub etag: Fact<bool>,
    /// Changing passwords.
    pub change_password: Fact<bool>,
    /// Paging by `startIndex`.
    pub index_paging: Fact<bool>,
    /// Paging by cursor.
    pub cursor_paging: Fact<bool>,
    /// Resources on a page of a request without `count`.
    pub default_page_size: Fact<Option<usize>>,
    /// Resources on a page.
    pub max_page_size: Fact<Option<usize>>,
    /// `/Me`.
    pub me: Fact<bool>,
    /// `POST /.search`.
    pub search: Fact<bool>,
    /// Queries over all types.
    pub root_query: Fact<bool>,
    profile: TargetProfile,
    announced: Option<ServiceProviderConfig>,
}

impl Capabilities {
    /// Works out what holds. Without an announcement the profile and the defaults of RFC 7644 have to do: PATCH and
    /// filters are taken to be there, because a server without them says so.
    #[must_use]
    pub fn from_service_provider_config(
        announced: Option<&ServiceProviderConfig>,
        profile: &TargetProfile,
    ) -> Self {
        let features = &profile.fields().features;
        let paging = &profile.fields().paging;
        let says = |read: fn(&ServiceProviderConfig) -> bool| announced.map(read);
        let pages = announced.and_then(|config| config.pagination.as_ref());
        // A limit of 0 beside a feature that is there means that nobody filled it in.
        let number = |n: u64| (n > 0).then(|| usize::try_from(n).unwrap_or(usize::MAX));
        let bound = |profile: Option<Limit>, announced: Option<usize>| {
            Fact::of(profile.map(Limit::get), announced.map(Some), None)
        };
        Self {
            patch: Fact::of(features.patch, says(|c| c.patch.supported), true),
            bulk: Fact::of(features.bulk, says(|c| c.bulk.supported), false),
            bulk_max_operations: bound(
                features.bulk_max_operations,
                announced.and_then(|c| number(c.bulk.max_operations)),
            ),
            bulk_max_bytes: bound(
                features.bulk_max_bytes,
                announced.and_then(|c| number(c.bulk.max_payload_size)),
            ),
            filter: Fact::of(features.filter, says(|c| c.filter.supported), true),
            filter_max_results: bound(
                features.filter_max_results,
                announced.and_then(|c| number(c.filter.max_results)),
            ),
            sort: Fact::of(features.sort, says(|c| c.sort.supported), false),
            etag: Fact::of(features.etag, says(|c| c.etag.supported), false),
            change_password: Fact::of(
                features.change_password,
                says(|c| c.change_password.supported),
                false,
            ),
            index_paging: Fact::of(paging.index, pages.map(|p| p.index), true),
            cursor_paging: Fact::of(paging.cursor, pages.map(|p| p.cursor), false),
            default_page_size: bound(
                paging.default_size,
                pages.and_then(|p| p.default_page_size).and_then(number),
            ),
            max_page_size: bound(
                paging.max_size,
                pages.and_then(|p| p.max_page_size).and_then(number),
            ),
            me: Fact::of(features.me, None, true),
            search: Fact::of(features.search, None, true),
            root_query: Fact::of(features.root_query, None, true),
            profile: profile.clone(),
            announced: announced.cloned(),
        }
    }

    /// What the server says of itself.
    #[must_use]
    pub fn announced(&self) -> Option<&ServiceProviderConfig> {
        self.announced.as_ref()
    }

    /// The profile that corrects it.
    #[must_use]
    pub fn profile(&self) -> &TargetProfile {
        &self.profile
    }

    /// The most resources to expect in one answer, by paging and by filter limit.
    #[must_use]
    pub fn largest_page(&self) -> Option<usize> {
        let limits = [self.max_page_size.value, self.filter_max_results.value];
        limits.into_iter().flatten().min()
    }

    /// All facts as text: name, value, origin.
    #[must_use]
    pub fn rows(&self) -> Vec<(String, String, Origin)> {
        let mut rows = Vec::new();
        let yes = |name: &str, fact: Fact<bool>| {
            (name.to_owned(), if fact.value { "yes" } else { "no" }.to_owned(), fact.origin)
        };
        let bound = |name: &str, fact: Fact<Option<usize>>| {
            let text = fact.value.map_or_else(|| "no limit known".to_owned(), |n| n.to_string());
            (name.to_owned(), text, fact.origin)
        };
        rows.push(yes("patch", self.patch));
        rows.push(yes("bulk", self.bulk));
        if self.bulk.value {
            rows.push(bound("bulk, operations", self.bulk_max_operations));
            rows.push(bound("bulk, bytes", self.bulk_max_bytes));
        }
        rows.push(yes("filter", self.filter));
        rows.push(bound("filter, results", self.filter_max_results));
        rows.push(yes("sort", self.sort));
        rows.push(yes("etag", self.etag));
        rows.push(yes("change password", self.change_password));
        rows.push(yes("paging by index", self.index_paging));
        rows.push(yes("paging by cursor", self.cursor_paging));
        rows.push(bound("page, default", self.default_page_size));
        rows.push(bound("page, largest", self.max_page_size));
        rows.push(yes("/Me", self.me));
        rows.push(yes("/.search", self.search));
        rows.push(yes("query over all types", self.root_query));
        self.rule_rows(&mut rows);
        rows
    }

    /// What only profiles say.
    fn rule_rows(&self, rows: &mut Vec<(String, String, Origin)>) {
        let profile = &self.profile;
        let from = |says: bool| if says { Origin::Profile } else { Origin::Default };
        let fields = profile.fields();
        for endpoint in &fields.order {
            let rules = profile.rules(endpoint);
            let mut row = |fact: &str, value: String, path: &[&str]| {
                let origin = from(profile.says_of(endpoint, path));
                rows.push((format!("{endpoint}, {fact}"), value, origin));
            };
            let words: Vec<&str> = rules.methods.iter().map(|action| action.as_str()).collect();
            row("methods", none_or(&words), &["methods"]);
            if rules.methods.contains(&Action::Delete) {
                row("delete", rules.delete_means.as_str().to_owned(), &["delete-means"]);
            }
            if !rules.required.is_empty() {
                row("required", none_or(&rules.required), &["required"]);
            }
            if !rules.drop.is_empty() {
                row("left out", none_or(&rules.drop), &["drop"]);
            }
            let operators: Vec<&str> =
                rules.filter.operators.iter().map(|op| op.as_str()).collect();
            if !operators.is_empty() {
                row("filter operators", none_or(&operators), &["filter", "operators"]);
            }
        }
        if !profile.rules("Groups").methods.is_empty() {
            self.member_rows(rows);
        }
        let rates = &fields.rates;
        if let Some(n) = rates.concurrency.get() {
            rows.push(("requests at once".to_owned(), n.to_string(), Origin::Profile));
        }
        for (name, window) in &rates.windows {
            let value = format!("{} per {} s", window.amount, window.per.as_secs());
            rows.push((format!("rate, {name}"), value, Origin::Profile));
        }
    }

    fn member_rows(&self, rows: &mut Vec<(String, String, Origin)>) {
        let members = &self.profile.rules("Groups").members;
        let mut row = |fact: &str, value: &str, field: &str| {
            let says = self.profile.says_of("Groups", &["members", field]);
            let origin = if says { Origin::Profile } else { Origin::Default };
            rows.push((format!("members, {fact}"), value.to_owned(), origin));
        };
        let returned = match members.returned {
            Returned::Always => "always",
            Returned::Never => "never",
            Returned::Unsaid => "not known",
        };
        row("returned", returned, "returned");
        row("added at once", &members.max_add.to_string(), "max-add");
        row("removed at once", &members.max_remove.to_string(), "max-remove");
        row("of a new group", &members.max_create.to_string(), "max-create");
        row("replaced as a whole", if members.replace_all { "yes" } else { "no" }, "replace-all");
        let removal = match members.removal {
            Removal::AsGiven | Removal::Filter => "one path each",
            Removal::OneFilter => "one path for all",
            Removal::ValueList => "as a value",
        };
        row("removed by", removal, "removal");
    }
}

fn none_or(words: &[impl ToString]) -> String {
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let width = rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
        let title = &self.profile.fields().title;
        match title.is_empty() || title == self.profile.name() {
            true => writeln!(f, "profile {}", self.profile.name())?,
            false => writeln!(f, "profile {}: {title}", self.profile.name())?,
        }
        for (name, value, origin) in rows {
            writeln!(f, "{name:width$}  {origin:9}  {value}")?;
        }
        if self.profile.fields().one_writer {
            writeln!(f, "note: nobody else may write there; two writers undo each other's work")?;
        }
        self.profile.fields().notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}
