//! Which filters go out, by profile.

use scim_core::Filter;

use super::named;

fn admits(profile: &str, endpoint: &str, filter: &str) -> Result<(), String> {
    let filter: Filter = filter.parse().unwrap();
    named(profile).admits(endpoint, &filter).map_err(|e| e.to_string())
}

#[track_caller]
fn taken(profile: &str, endpoint: &str, filters: &[&str]) {
    for filter in filters {
        assert_eq!(admits(profile, endpoint, filter), Ok(()), "{profile}: {filter}");
    }
}

#[track_caller]
fn refused(profile: &str, endpoint: &str, filters: &[(&str, &str)]) {
    for (filter, why) in filters {
        let error = admits(profile, endpoint, filter).unwrap_err();
        assert!(error.contains(why), "{profile}: {filter}: {error}");
        assert!(error.starts_with(profile), "{error}");
    }
}

const NICK: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User:mailNickname";

#[test]
fn entra() {
    taken(
        "entra",
        "Users",
        &[
            r#"userName eq "ada@x.example""#,
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ada""#,
            r#"userName ew "@x.example" and active eq true"#,
            r#"not (userName ew "@x.example")"#,
            r#"groups.value eq "7""#,
            r#"externalId eq "1""#,
            &format!(r#"{NICK} ew "a""#),
        ],
    );
    refused(
        "entra",
        "Users",
        &[
            (r#"userName co "x""#, "the operator co"),
            (r#"userName sw "x""#, "the operator sw"),
            ("title pr", "the operator pr"),
            (r#"userName eq "a" or userName eq "b""#, "`or`"),
            (r#"title eq "x""#, "title with eq"),
            (r#"active ew "x""#, "active with ew"),
            (r#"not (userName eq "x")"#, "`not` before anything but ew"),
            (r#"externalId eq "1" and userName eq "x""#, "externalId together"),
            (r#"emails[type eq "work"]"#, "brackets"),
        ],
    );
    taken("entra", "Groups", &[r#"members.value eq "7""#, r#"displayName ew "x""#]);
    refused("entra", "Groups", &[(r#"externalId eq "7""#, "externalId with eq")]);
}

#[test]
fn aws() {
    taken(
        "aws",
        "Users",
        &[
            r#"userName eq "a""#,
            r#"externalId eq "a""#,
            r#"groups.value eq "g""#,
            r#"id eq "u" and manager eq "m""#,
            r#"manager eq "m" and id eq "u""#,
        ],
    );
    refused(
        "aws",
        "Users",
        &[
            (r#"userName ne "a""#, "the operator ne"),
            (r#"userName eq "a" and externalId eq "b""#, "this combination"),
            (r#"id eq "a""#, "id alone"),
            (r#"id eq "u" and id eq "m""#, "this combination"),
            (r#"userName eq "a" or externalId eq "b""#, "`or`"),
        ],
    );
    taken("aws", "Groups", &[r#"id eq "g" and members.value eq "u""#, r#"members.value eq "u""#]);
}

#[test]
fn others() {
    for name in ["terraform", "logfire"] {
        refused(name, "Groups", &[(r#"displayName sw "a""#, "the operator sw")]);
    }
    refused("gitlab", "Users", &[(r#"id eq "a" and id eq "b""#, "`and`")]);
    refused(
        "atlassian",
        "Users",
        &[
            (r#"userName eq "a" and externalId eq "b""#, "`and`"),
            (r#"title eq "a""#, "title with eq"),
        ],
    );
    taken("snowflake", "Users", &[r#"userName sw "a""#]);
    refused("snowflake", "Users", &[(r#"userName eq "a" and title eq "b""#, "`and`")]);
    refused("snowflake-before-2026-03", "Users", &[(r#"userName sw "a""#, "the operator sw")]);
    taken("auth0", "Users", &[r#"userName eq "a" or userName eq "b""#]);
    refused("auth0", "Users", &[(r#"not (userName eq "a")"#, "`not`")]);
    taken("salesforce", "Users", &[r#"userName eq "a" or userName eq "b" or userName eq "c""#]);
    refused(
        "salesforce",
        "Users",
        &[(r#"userName eq "a" or title eq "b" and active eq true"#, "both `and` and `or`")],
    );
    let many = |n: usize| {
        let terms: Vec<String> = (0..n).map(|i| format!("userName eq \"{i}\"")).collect();
        terms.join(" or ")
    };
    // 100 comparisons and 99 words between them are 199 nodes.
    taken("databricks", "Users", &[&many(100)]);
    refused("databricks", "Users", &[(&many(101), "201 nodes")]);
    taken(
        "generic",
        "Users",
        &[&many(500), r#"not (emails[type eq "x" and value pr]) and a gt 1"#],
    );
}

#[test]
fn a_list_without_filter_is_refused_where_it_is_no_list() {
    let old = named("snowflake-before-2026-03");
    assert!(old.admits_query("Users", None).is_err());
    assert!(named("snowflake").admits_query("Users", None).is_ok());
}
