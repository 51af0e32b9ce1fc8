use std::time::Duration;

use clap::Parser;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::{
    cli::Cli,
    config::{LogFormat, ProfileName},
};

fn load_with(
    flags: &str,
    environment: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Loaded, ConfigError> {
    let folder = TempDir::new().unwrap();
    let mut line = vec!["scim-server".to_owned()];
    if let Some(text) = file {
        let path = folder.path().join("scim.toml");
        std::fs::write(&path, text).unwrap();
        line.extend(["--config".to_owned(), path.to_str().unwrap().to_owned()]);
    }
    line.extend(flags.split_whitespace().map(str::to_owned));
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    load(&Cli::try_parse_from(line).unwrap().flags(), &environment)
}

fn problem(flags: &str, environment: &[(&str, &str)], file: Option<&str>) -> String {
    match load_with(flags, environment, file) {
        Ok(loaded) => panic!("accepted: {:?}", loaded.config),
        Err(error) => error.to_string(),
    }
}

#[test]
fn without_anything_the_defaults_hold() {
    let loaded = load_with("", &[], None).unwrap();
    let config = loaded.config;
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data.to_str(), Some("scim-data"));
    assert_eq!(config.profile, ProfileName::Default);
    assert_eq!(config.base_path.as_str(), "/scim/v2");
    assert_eq!((config.default_page, config.max_page), (100, 1000));
    assert_eq!(config.header_timeout, Duration::from_secs(10));
    assert!(config.token.is_none() && config.jwt.is_none() && config.tls().is_none());
    assert_eq!(config.scheme(), "http");
}

#[test]
fn a_flag_beats_the_environment_and_the_environment_beats_the_file() {
    let file = Some("max_page = 300\ndefault_page = 30\nlog = 'warn'\n");
    let environment = [("SCIM_MAX_PAGE", "400"), ("SCIM_DEFAULT_PAGE", "40")];
    let loaded = load_with("--max-page 500", &environment, file).unwrap();
    assert_eq!(loaded.config.max_page, 500);
    assert_eq!(loaded.config.default_page, 40);
    assert_eq!(loaded.config.log, "warn");
    assert_eq!(loaded.config.max_operations, 1000);
    let origins = ["max_page", "default_page", "log", "max_operations"].map(|s| loaded.origin(s));
    assert_eq!(origins, [Origin::Flag, Origin::Environment, Origin::File, Origin::Default]);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let environment = [
        ("SCIM_LISTEN", ""),
        ("SCIM_TOKEN", ""),
        ("SCIM_MEMORY", ""),
        ("SCIM_CONFIG", ""),
        ("SCIM_MAX_PAGE", ""),
        ("SCIM_TLS_CERT", ""),
        ("SCIM_TENANTS", ""),
    ];
    let loaded = load_with("", &environment, Some("max_page = 300\nmemory = true")).unwrap();
    assert_eq!(loaded.config.listen.port(), 8080);
    assert_eq!(loaded.config.max_page, 300);
    assert!(loaded.config.memory);
    assert!(loaded.config.token.is_none());
}

/// One value for every setting that can be a variable, and what it must become.
#[test]
fn every_setting_can_come_from_the_environment() {
    let values = [
        ("listen", "0.0.0.0:1"),
        ("public_url", "https://h"),
        ("base_path", "/x"),
        ("tls_cert", "c"),
        ("tls_key", "k"),
        ("data", "123"),
        ("memory", "true"),
        ("profile", "strict"),
        ("schemas", "a.json, b.json"),
        ("tenants", "a,b"),
        ("token_file", ""),
        ("open_discovery", "true"),
        ("default_page", "1"),
        ("max_page", "2"),
        ("max_page_bytes", "4096"),
        ("max_payload", "2048"),
        ("max_operations", "4"),
        ("max_connections", "5"),
        ("max_connections_per_ip", "0"),
        ("header_timeout", "1s"),
        ("body_timeout", "2s"),
        ("request_timeout", "3s"),
        ("write_timeout", "4s"),
        ("idle_timeout", "5s"),
        ("drain_timeout", "6s"),
        ("log", "off"),
        ("log_format", "json"),
        ("trace_requests", "true"),
    ];
    let names: Vec<String> = values.iter().map(|(key, _)| variable(key)).collect();
    let environment: Vec<(&str, &str)> =
        names.iter().zip(&values).map(|(name, (_, value))| (name.as_str(), *value)).collect();
    let loaded = load_with("", &environment, None).unwrap();
    for (key, _) in dict_of(&loaded.config) {
        assert_eq!(loaded.origin(&key), Origin::Environment, "{key} has no variable in this test");
    }
    let config = loaded.config;
    assert_eq!(config.listen.to_string(), "0.0.0.0:1");
    assert_eq!(config.public_url.unwrap().as_str(), "https://h");
    assert_eq!(config.data.to_str(), Some("123"), "text that looks like a number stays text");
    assert!(config.memory && config.open_discovery && config.trace_requests);
    assert_eq!(config.profile, ProfileName::Strict);
    assert_eq!(config.schemas, ["a.json", "b.json"].map(PathBuf::from));
    assert_eq!(config.tenants, ["a", "b"]);
    assert_eq!(config.max_connections_per_ip, 0);
    assert_eq!(config.drain_timeout, Duration::from_secs(6));
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn the_file_can_be_named_by_the_environment() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f.toml");
    std::fs::write(&path, "max_page = 300").unwrap();
    let loaded = load_with("", &[("SCIM_CONFIG", path.to_str().unwrap())], None).unwrap();
    assert_eq!(loaded.config.max_page, 300);

    let missing = folder.path().join("missing.toml");
    let text = problem("", &[("SCIM_CONFIG", missing.to_str().unwrap())], None);
    assert!(text.contains("missing.toml") && text.contains("SCIM_CONFIG"), "{text}");
}

#[test]
fn the_file_may_hold_only_what_is_known_and_the_line_is_named() {
    let cases = [
        ("memory = true\nlisten = '127.0.0.1:1'\nmax_pages = 3\n", "line 3", "max_pages"),
        ("\nlisten = 'nowhere'", "line 2", "socket address"),
        ("max_page = 'many'", "line 1", "many"),
        ("memory = true\nmemory = false", "line 2", "duplicate"),
        ("profile = 'odd'", "line 1", "odd"),
        ("base_path = '/a b'", "line 1", "/a b"),
        ("header_timeout = '10'", "line 1", "10"),
        ("= 3", "line 1", ""),
        ("[jwt]\nissuer = 'i'\naudience = 'a'\nsecret = 'x'", "line 4", "secret"),
        ("memory = true\ntoken = '0123456789abcdef'", "line 2", "SCIM_TOKEN"),
    ];
    for (file, line, word) in cases {
        let text = problem("", &[], Some(file));
        assert!(text.contains("scim.toml"), "{text}");
        assert!(text.contains(line), "{file}: {text}");
        assert!(text.contains(word), "{file}: {text}");
    }
}

#[test]
fn a_wrong_setting_is_named_as_it_was_spelled() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>, &'a str);
    let cases: [Case<'_>; 16] = [
        ("", &[("SCIM_LISTEN", "nowhere")], None, "SCIM_LISTEN"),
        ("", &[("SCIM_MEMORY", "perhaps")], None, "SCIM_MEMORY: `perhaps` is not a boolean"),
        ("", &[("SCIM_MAX_PAGE", "-1")], None, "SCIM_MAX_PAGE: `-1` is not a whole number"),
        ("--max-page 0", &[], None, "--max-page"),
        ("", &[], Some("max_operations = 0"), "`max_operations`"),
        ("--default-page 50 --max-page 20", &[], None, "--default-page"),
        ("--max-payload 1023", &[], None, "--max-payload"),
        ("--max-connections 0", &[], None, "--max-connections"),
        ("--tls-cert c", &[], None, "--tls-cert"),
        ("", &[("SCIM_TLS_KEY", "k")], None, "SCIM_TLS_KEY"),
        ("--idle-timeout 0s", &[], None, "--idle-timeout"),
        ("--drain-timeout 25h", &[], None, "--drain-timeout"),
        ("", &[("SCIM_TENANTS", "a,B")], None, "SCIM_TENANTS"),
        ("--tenants a,a", &[], None, "--tenants"),
        ("--log loud", &[], None, "--log"),
        ("", &[], Some("[jwt]\nissuer = 'i'\naudience = 'a'"), "`jwt.jwks_file`"),
    ];
    for (flags, environment, file, name) in cases {
        let text = problem(flags, environment, file);
        assert!(text.starts_with(name), "expected {name}: {text}");
    }
}

#[test]
fn the_token_comes_from_the_environment_before_its_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "from-the-file-0123456789\n").unwrap();
    let flags = format!("--token-file {}", path.display());

    let token = |environment: &[(&str, &str)]| {
        let loaded = load_with(&flags, environment, None).unwrap();
        (loaded.config.token.unwrap().expose_secret().to_owned(), loaded.origins["token"])
    };
    assert_eq!(token(&[]), ("from-the-file-0123456789".to_owned(), Origin::Flag));
    let variable = [("SCIM_TOKEN", "from-the-variable-012345")];
    assert_eq!(token(&variable), ("from-the-variable-012345".to_owned(), Origin::Environment));
    let digits = [("SCIM_TOKEN", "0123456789012345")];
    assert_eq!(token(&digits).0, "0123456789012345");
}

#[test]
fn a_weak_or_unreadable_token_is_refused_and_not_repeated() {
    let short = "hunter2hunter2";
    let text = problem("", &[("SCIM_TOKEN", short)], None);
    assert!(text.starts_with("SCIM_TOKEN") && !text.contains(short), "{text}");
    let spaced = "with spaces but long enough";
    let text = problem("", &[("SCIM_TOKEN", spaced)], None);
    assert!(text.starts_with("SCIM_TOKEN") && !text.contains(spaced), "{text}");

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    let flags = format!("--token-file {}", path.display());
    let text = problem(&flags, &[], None);
    assert!(text.contains("--token-file") && text.contains("token"), "{text}");
    std::fs::write(&path, short).unwrap();
    let text = problem(&flags, &[], None);
    assert!(text.starts_with("--token-file") && !text.contains(short), "{text}");
}

#[test]
fn the_paths_of_a_file_are_relative_to_its_folder() {
    let folder = TempDir::new().unwrap();
    let inner = folder.path().join("conf");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("token"), "from-the-file-0123456789").unwrap();
    let text = "data = '../data'\nschemas = ['a.json', '/b.json']\ntls_cert = 'c.pem'\ntls_key = 'k.pem'\n\
                token_file = 'token'\n[jwt]\nissuer = 'i'\naudience = 'a'\njwks_file = 'keys.json'\n";
    let file = inner.join("scim.toml");
    std::fs::write(&file, text).unwrap();
    let variables = [("SCIM_CONFIG", file.to_str().unwrap()), ("SCIM_TLS_KEY", "mine.pem")];
    let config = load_with("", &variables, None).unwrap().config;
    assert_eq!(config.data, inner.join("../data"));
    assert_eq!(config.schemas, [inner.join("a.json"), PathBuf::from("/b.json")]);
    assert_eq!(config.tls_cert, Some(inner.join("c.pem")));
    assert_eq!(config.tls_key, Some(PathBuf::from("mine.pem")), "a variable's stays as it is");
    assert_eq!(config.jwt.unwrap().jwks_file, Some(inner.join("keys.json")));
    assert_eq!(config.token.unwrap().expose_secret(), "from-the-file-0123456789");
}

#[test]
fn the_effective_configuration_is_a_file_again_and_keeps_the_secret() {
    let token = "a-secret-token-0123456789";
    let file = "max_page = 300\nheader_timeout = '1500ms'\n[jwt]\nissuer = 'i'\naudience = ['a', 'b']\nkeys = [{ kty = 'EC', x = 'y' }]\n";
    let flags = "--listen 0.0.0.0:1 --data /d --schemas /a.json --memory";
    let loaded = load_with(flags, &[("SCIM_TOKEN", token)], Some(file)).unwrap();
    let text = loaded.to_toml().unwrap();
    assert!(!text.contains(token), "{text}");
    assert!(!format!("{:?}", loaded.config).contains(token));
    for line in [
        "listen = \"0.0.0.0:1\"  # flag",
        "max_page = 300  # file",
        "header_timeout = \"1500ms\"  # file",
        "max_operations = 1000  # default",
        "# token = \"********\"  # environment",
        "schemas = [\"/a.json\"]  # flag",
        "[jwt]",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }

    let again = load_with("", &[], Some(&text)).unwrap();
    assert_eq!(dict_of(&again.config), dict_of(&loaded.config));
}
