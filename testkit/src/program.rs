//! Any program as a child process: started as an operator starts it, listened to, told to stop or killed.

use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::output::Output;
use crate::poll;

/// How much of what a program said is shown when a test fails.
const TAIL: usize = 60;

/// Whether programs have process groups of their own; see [`apart`].
static APART: AtomicBool = AtomicBool::new(false);

/// From now on, what is started here has a process group of its own: Ctrl-C on a terminal is for whoever started it, who
/// stops it in order. A test runner, which ends the group of a test that takes too long, would not find it.
pub fn apart() {
    APART.store(true, Ordering::Relaxed);
}

pub(crate) fn grouped(command: &mut Command) -> &mut Command {
    if APART.load(Ordering::Relaxed) { command.process_group(0) } else { command }
}

/// A program that runs; killed when dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// How a program ended that was run to its end, and what it said.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a program to its end.
#[must_use]
#[track_caller]
pub fn run(command: &mut Command) -> Ran {
    match grouped(command).stdin(Stdio::null()).output() {
        Ok(output) => Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(error) => crate::fail(format_args!(
            "{} does not start: {error}",
            command.get_program().to_string_lossy()
        )),
    }
}

impl Ran {
    /// Fails the test unless the program ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        if self.code != code {
            crate::fail(format_args!("exit code {} and not {code}\n{self}", self.code));
        }
        self
    }

    /// Fails the test unless this text is in what was said.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        if !self.stdout.contains(text) && !self.stderr.contains(text) {
            crate::fail(format_args!("{text:?} should be said\n{self}"));
        }
        self
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "--- code {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

impl Program {
    /// Starts a program; `name` is what failures call it.
    #[must_use]
    #[track_caller]
    pub fn start(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match grouped(command).spawn() {
            Ok(child) => child,
            Err(error) => crate::fail(format_args!("{name} does not start: {error}")),
        };
        let stdout = Output::collect(child.stdout.take(), None);
        let stderr = Output::collect(child.stderr.take(), None);
        Self { name: name.to_owned(), child, stdout, stderr }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it wrote to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Everything that it wrote to standard error so far: the log.
    #[must_use]
    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// Waits until it has said something, and gives the first line with it.
    #[track_caller]
    pub fn says(&self, text: &str, deadline: Duration) -> String {
        poll::until(deadline, || {
            let said = self.stdout() + &self.log();
            let line = said.lines().find(|line| line.contains(text)).map(str::to_owned);
            line.ok_or_else(|| format!("{} has not said {text:?}:\n{said}", self.name))
        })
    }

    /// Whether it is still there.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to stop (`SIGTERM`), and returns at once.
    pub fn terminate(&self) {
        // It may have ended by itself.
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// As `kill -9` does; waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end; fails the test with what it said where there is none.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        match poll::try_until(deadline, || self.child.try_wait().ok().flatten().ok_or(())) {
            Ok(status) => status,
            Err(()) => crate::fail(format_args!(
                "{} still runs after {deadline:?}:\n{}",
                self.name,
                self.log()
            )),
        }
    }

    /// What it had resident at its peak so far, in MiB (Linux only).
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        peak(self.pid())
    }
}

/// What a process had resident at its peak so far, in MiB (Linux only).
#[must_use]
pub fn peak(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            eprintln!("--- the last of what {} said\n{tail}\n---", self.name);
        }
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::{Program, run};
    use std::process::Command;
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_is_said_is_heard_and_a_signal_ends_it() {
        let mut program = Program::start(
            "a script",
            &mut shell("trap 'exit 7' TERM; echo here; while :; do :; done"),
        );
        assert_eq!(program.says("here", SOON), "here");
        assert!(program.is_running() && program.peak().is_some());
        program.terminate();
        assert_eq!(program.wait(SOON).code(), Some(7));
    }

    #[test]
    fn what_ran_to_its_end_is_told() {
        let ran = run(&mut shell("echo out; echo err >&2; exit 3")).expect(3).says("out");
        assert_eq!(ran.stderr, "err\n");
    }
}
