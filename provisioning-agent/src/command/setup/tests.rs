use std::fs;
use std::path::PathBuf;

use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};
use crate::config::{Config, Mode, Process, SourceKind};

/// Runs `setup` with these arguments, and answers for what they leave open.
fn run(folder: &Path, arguments: &[&str], answers: Option<&str>) -> Result<PathBuf> {
    let path = folder.join("etc/agent.toml");
    let config = path.display().to_string();
    let all = ["provisioning-agent", "setup", "--config", &config];
    let cli = Cli::try_parse_from(all.iter().chain(arguments)).unwrap();
    let Command::Setup(args) = &cli.command else { panic!("not setup") };
    let asker = match answers {
        Some(answers) => Asker::scripted(answers, "hush"),
        None => Asker::terminal(true),
    };
    conduct(&path, args, asker).map(|_| path)
}

fn secret(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, "hush\n").unwrap();
    path.display().to_string()
}

fn load(path: &Path) -> Config {
    let config = Config::load(path, &Process).unwrap();
    RuleSet::from_config(&config.text).unwrap();
    config
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn flags_alone_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let (password, token) = (secret(folder.path(), "pw"), secret(folder.path(), "token"));
    let arguments = [
        "--no-questions",
        "--no-check",
        "--directory",
        "active-directory",
        "--server",
        "ldaps://dc1.corp.example",
        "--server",
        "ldaps://dc2.corp.example",
        "--bind-dn",
        "svc-sync@corp.example",
        "--bind-password-file",
        &password,
        "--base",
        "DC=corp,DC=example",
        "--include",
        "OU=Staff,DC=corp,DC=example",
        "--group",
        "CN=Pilots,DC=corp,DC=example",
        "--target",
        "https://scim.example/v2",
        "--token-file",
        &token,
        "--target-profile",
        "entra",
        "--changes",
        "usn-changed",
        "--sign-in",
        "kerberos",
        "--kdc",
        "dc1.corp.example",
        "--staging",
    ];
    let path = run(folder.path(), &arguments, None).unwrap();
    let config = load(&path);
    let SourceKind::ActiveDirectory(ldap) = &config.settings.sources[0].kind else { panic!() };
    assert_eq!(ldap.servers, ["ldaps://dc1.corp.example", "ldaps://dc2.corp.example"]);
    assert_eq!(ldap.scope.include, ["OU=Staff,DC=corp,DC=example"]);
    assert_eq!(ldap.scope.group, "CN=Pilots,DC=corp,DC=example");
    assert_eq!(ldap.changes, crate::config::Tracking::UsnChanged);
    assert_eq!(ldap.sign_in, crate::config::SignIn::Kerberos);
    assert_eq!((ldap.realm.as_str(), ldap.kdc.as_str()), ("", "dc1.corp.example"));
    assert_eq!(config.settings.mode, Mode::Staging);
    assert_eq!(config.settings.targets[0].profile, "entra");
    assert_eq!(config.state_dir(), folder.path().join("etc/state"));
    assert!(!config.text.contains("hush"));
    #[cfg(unix)]
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    // It is not written over by accident, and is on purpose.
    let error = run(folder.path(), &arguments, None).unwrap_err().to_string();
    assert!(error.contains("--force"), "{error}");
    let mut forced = arguments.to_vec();
    forced.retain(|argument| *argument != "--staging");
    forced.push("--force");
    run(folder.path(), &forced, None).unwrap();
    assert_eq!(load(&path).settings.mode, Mode::Active);
}

#[test]
fn what_is_lacking_is_named_when_nobody_can_be_asked() {
    let folder = tempfile::tempdir().unwrap();
    let error =
        run(folder.path(), &["--no-questions", "--no-check"], None).unwrap_err().to_string();
    for flag in
        ["--server", "--bind-dn", "--bind-password-file", "--base", "--target", "--token-file"]
    {
        assert!(error.contains(flag), "{flag}: {error}");
    }
    let alone = ["--no-questions", "--no-check", "--kdc", "dc1"];
    let error = run(folder.path(), &alone, None).unwrap_err().to_string();
    assert!(error.contains("--sign-in kerberos"), "{error}");
    let missing = ["--no-questions", "--bind-password-file", "/none"];
    let error = run(folder.path(), &missing, None).unwrap_err().to_string();
    assert!(error.contains("/none"), "{error}");
    assert!(!folder.path().join("etc").exists());
}

#[test]
fn what_is_typed_goes_into_files_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let answers = "2\nldaps://ldap.example\n\ncn=reader,dc=example\ndc=example\n\n\nhttps://scim.example/v2\n\n\n\n";
    let path = run(folder.path(), &["--no-check"], Some(answers)).unwrap();
    let config = load(&path);
    assert!(!config.text.contains("hush"));
    let SourceKind::OpenLdap(ldap) = &config.settings.sources[0].kind else { panic!() };
    assert_eq!((ldap.bind_dn.as_str(), ldap.base.as_str()), ("cn=reader,dc=example", "dc=example"));
    for name in ["agent.ldap-password", "agent.scim-token"] {
        let file = path.with_file_name(name);
        assert_eq!(fs::read_to_string(&file).unwrap(), "hush\n");
        #[cfg(unix)]
        assert_eq!(mode(&file), 0o600);
    }
    assert!(ldap.password.fetch(config.folder(), &Process).is_ok());
}

#[test]
fn a_server_that_does_not_answer_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (password, token) = (secret(folder.path(), "pw"), secret(folder.path(), "token"));
    // Nobody listens on a port that was given out and closed again.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("ldap://127.0.0.1:{port}");
    let arguments = [
        "--no-questions",
        "--server",
        &server,
        "--bind-dn",
        "reader",
        "--bind-password-file",
        &password,
        "--base",
        "DC=x",
        "--target",
        "http://127.0.0.1:9/",
        "--token-file",
        &token,
    ];
    let error = run(folder.path(), &arguments, None).unwrap_err().to_string();
    assert!(error.contains("nothing was written"), "{error}");
    assert!(!folder.path().join("etc").exists());
}
