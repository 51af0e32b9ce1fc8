use super::*;

const FILE: &str = r#"
version = 1
state-dir = "${STATE_DIR}"

[[source]]
name = "corp-ad"
kind = "active-directory"
servers = ["${LDAP_URI}"]
ca-file = "${LDAP_CA:-}"
bind-dn = "${LDAP_BIND_DN:-reader}"
password = { env = "LDAP_PASSWORD" }
base = "DC=corp,DC=example"

[[target]]
name = "cloud"
url = "http://127.0.0.1:8080/scim/v2"
token = { env = "SCIM_TOKEN" }

[guard]
deletes = { number = 20 }

[[rule]]
name = "${NOT_EXPANDED}"
"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "STATE_DIR" => Some("/var/lib/agent".to_owned()),
        "LDAP_URI" => Some("ldaps://dc1.corp.example".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Settings, String> {
    Settings::parse(text, &environment).map_err(|error| error.to_string())
}

#[test]
fn a_file_is_read_with_the_environment() {
    let settings = parse(FILE).unwrap();
    assert_eq!(settings.state_dir, Path::new("/var/lib/agent"));
    let SourceKind::ActiveDirectory(source) = &settings.sources[0].kind else { panic!() };
    assert_eq!(source.servers, ["ldaps://dc1.corp.example"]);
    assert_eq!(source.bind_dn, "reader");
    assert_eq!(source.changes, Tracking::DirSync);
    assert_eq!(settings.guard.deletes.of(10_000), Some(20));
    assert_eq!(settings.guard.members, Guard::default().members);
    assert_eq!(settings.schedule.every.to_string(), "2m");
    assert_eq!(settings.mode, Mode::Active);
}

#[test]
fn a_mistake_is_named_with_its_place() {
    for (from, to, says) in [
        ("version = 1", "version = = 1", "line 2, column"),
        ("kind = \"active-directory\"", "kind = \"domino\"", "domino"),
        ("base = ", "bsae = ", "bsae"),
        ("name = \"cloud\"", "name = \"corp-ad\"", "two sources or targets"),
        ("http://127.0.0.1:8080", "http://scim.example", "unencrypted"),
        ("http://127.0.0.1:8080", "ftp://scim.example", "https://"),
        ("${LDAP_URI}", "${LDAP_URL}", "LDAP_URL is not set"),
        ("{ number = 20 }", "{ off = \"\" }", "reason"),
        ("number = 20", "number = -1", "limit is"),
        ("deletes = ", "delets = ", "delets"),
        ("[guard]", "[schedule]\nevery = \"2 minutes\"\n[guard]", "no length of time"),
        ("{ env = \"SCIM_TOKEN\" }", "\"secret\"", "token"),
        ("\"DC=corp,DC=example\"", "\"\"", "root of the domain"),
        ("base = ", "kdc = \"dc1\"\nbase = ", "sign-in = \"kerberos\""),
        ("base = ", "sign-in = \"ntlm\"\nbase = ", "ntlm"),
    ] {
        assert!(FILE.contains(from), "{from}");
        let error = parse(&FILE.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(says), "{from} -> {to}: {error}");
    }
}

#[test]
fn a_limit_may_be_off_with_a_reason() {
    let off = FILE.replace("{ number = 20 }", "{ off = \"the domain is being taken down\" }");
    assert_eq!(parse(&off).unwrap().guard.deletes.of(100), None);
    let zero = FILE.replace("number = 20", "number = 0");
    assert_eq!(parse(&zero).unwrap().guard.deletes.of(100), Some(0), "zero is a limit");
}

#[test]
fn what_is_written_reads_back() {
    let settings = parse(FILE).unwrap();
    let text = toml::to_string(&settings).unwrap();
    assert_eq!(parse(&text).unwrap(), settings);
}
