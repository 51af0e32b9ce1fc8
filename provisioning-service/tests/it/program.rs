//! The program as people run it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use testkit::Postgres;

fn program(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provisioning-service"));
    command.args(arguments).arg("--data").arg(data).env_clear();
    command
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    program(data, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_first_start_says_what_to_do_and_the_commands_work_beside_it() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let doctor = run(&data, &["doctor"]);
    assert!(doctor.status.success() && text(&doctor.stdout).contains("nothing in"));
    assert!(!data.exists());

    let mut service = program(&data, &["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on https://127.0.0.1:"), "{line}");

    let code = run(&data, &["agent", "code", "--group", "corp.example.com"]);
    assert!(code.status.success(), "{}", text(&code.stderr));
    assert_eq!(text(&code.stdout).trim().len(), 64);
    let groups = run(&data, &["group", "list"]);
    assert_eq!(text(&groups.stdout), "corp.example.com  0 agents\n");
    let made =
        run(&data, &["token", "create", "--name", "ops", "--role", "reader", "--expires", "90d"]);
    let token = text(&made.stdout);
    let id = token.split('_').nth(1).unwrap().to_owned();
    let list = text(&run(&data, &["token", "list"]).stdout);
    assert!(list.contains("first start") && list.contains(&id) && !list.contains(token.trim()));
    assert!(run(&data, &["token", "revoke", &id]).status.success());
    assert_eq!(run(&data, &["token", "revoke", &id]).status.code(), Some(1));
    assert_eq!(run(&data, &["agent", "revoke", "none"]).status.code(), Some(1));
    let doctor = run(&data, &["doctor"]);
    let report = text(&doctor.stdout);
    assert_eq!(doctor.status.code(), Some(1));
    assert!(
        report.contains("FAULT  no active agent answers for the group corp.example.com"),
        "{report}"
    );
    assert!(report.contains("ok     the certificate authority can sign"), "{report}");

    let pid = rustix::process::Pid::from_child(&service);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = service.wait_with_output().unwrap();
    let told = text(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    assert!(
        told.contains("prov_") && told.contains("provisioning-agent setup --service https://"),
        "{told}"
    );
    assert!(told.contains("/console\n") && told.contains("stopped"), "{told}");
}

#[test]
fn doctor_looks_at_a_database_and_changes_nothing() {
    let (folder, server) = (TempDir::new().unwrap(), Postgres::start());
    let address = server.database();
    let name = address.rsplit('/').next().unwrap();
    let doctor = || {
        let data = folder.path().join("data");
        let found = run(&data, &["doctor", "--database", &address]);
        (found.status.code(), text(&found.stdout))
    };
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let (code, report) = doctor();
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("nothing in the database yet"), "{report}");
    assert_eq!(server.sql(name, tables), "0");

    // A service was there, and then a newer one.
    let made = run(&folder.path().join("data"), &["token", "list", "--database", &address]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let (_, report) = doctor();
    assert!(report.contains("ok     the tables of the records are of version 1"), "{report}");
    assert!(report.contains("ok     the tables of the states of jobs are of version"), "{report}");
    let history = "INSERT INTO records_history (version, name, applied_on, checksum) VALUES (99, 'x', '', '')";
    server.sql(name, history);
    let (code, report) = doctor();
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("FAULT  the tables of the records are of version 99"), "{report}");

    // One of an older version is not brought to this one.
    server.sql(name, "DELETE FROM sync_history; DELETE FROM records_history WHERE version = 99");
    let (code, report) = doctor();
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("note   the tables of the states of jobs are not there"), "{report}");
    assert_eq!(server.sql(name, "SELECT count(*) FROM sync_history"), "0");
}

#[test]
fn a_lost_key_is_not_replaced_by_another() {
    let folder = TempDir::new().unwrap();
    let data = folder.path();
    assert!(run(data, &["agent", "code"]).status.success());
    let key = data.join("seal.key");
    std::fs::rename(&key, data.join("elsewhere")).unwrap();
    let refused = run(data, &["agent", "list"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("is not there"), "{}", text(&refused.stderr));
    assert!(!key.exists());
    let doctor = run(data, &["doctor"]);
    assert!(text(&doctor.stdout).contains("FAULT  the key file"));
    // Another key opens nothing, and says so.
    let other = run(&folder.path().join("other"), &["agent", "code"]);
    assert!(other.status.success());
    std::fs::rename(data.join("other/seal.key"), &key).unwrap();
    let refused = run(data, &["agent", "code"]);
    assert!(text(&refused.stderr).contains("sealed with another key"), "{}", text(&refused.stderr));
}

#[test]
fn notifications_are_tried_and_examined() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let none = run(&data, &["notify", "test"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("nobody is told of the tenant default"));
    let sink = testkit::SmtpSink::start();
    let settings = folder.path().join("service.toml");
    let config = format!(
        "[mail]\nserver = 'localhost'\nport = {}\ntls = 'none'\nfrom = 'sync@example.com'\nrecipients = ['ops@example.com']\nusername = 'sync'\npassword_file = 'password'\n",
        sink.port()
    );
    std::fs::write(&settings, config).unwrap();
    std::fs::write(folder.path().join("password"), "s3cret\n").unwrap();
    let settings = settings.to_str().unwrap();
    let sent = run(&data, &["notify", "test", "--config", settings]);
    assert!(sent.status.success(), "{}{}", text(&sent.stdout), text(&sent.stderr));
    assert_eq!(text(&sent.stdout), "ok     ops@example.com\n");
    let login = Some(("sync".to_owned(), "s3cret".to_owned()));
    assert_eq!(sink.mails()[0].login, login);

    assert!(run(&data, &["agent", "code"]).status.success());
    assert!(run(&data, &["token", "create", "--name", "ops"]).status.success());
    let doctor = run(&data, &["doctor", "--config", settings]);
    let report = text(&doctor.stdout);
    assert!(report.contains("ok     the mail server lets the service in"), "{report}");
    drop(sink);
    let doctor = run(&data, &["doctor", "--config", settings]);
    let report = text(&doctor.stdout);
    assert!(report.contains("FAULT  the mail server localhost cannot be used"), "{report}");
    assert!(!report.contains("s3cret"));
    let sent = run(&data, &["notify", "test", "--config", settings]);
    assert_eq!(sent.status.code(), Some(1));
    assert!(text(&sent.stdout).starts_with("FAULT  ops@example.com: the mail server"));
}

#[test]
fn wrong_settings_leave_with_2() {
    let folder = TempDir::new().unwrap();
    for arguments in
        [&["serve", "--tls", "files"][..], &["serve", "--tls", "off"], &["nonsense"], &[]]
    {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let help = run(folder.path(), &["--help"]);
    assert!(help.status.success() && text(&help.stdout).contains("Examples:"));
}
