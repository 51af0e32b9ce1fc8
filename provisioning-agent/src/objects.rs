//! The log of objects: what was done to each, with what outcome, as JSON lines.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use scim_sync::observer::{Event, Observer};
use serde::Serialize;
use serde_json::Value;

/// A file that grows beyond this becomes the older one; two are kept.
const LARGEST: u64 = 64 << 20;

/// Writes the log of objects. What cannot be written is told once a cycle and never stops a run.
#[derive(Debug)]
pub struct ObjectLog {
    path: PathBuf,
    file: Option<File>,
    cycle: u64,
    /// Whether it was told in this cycle that it cannot be written.
    told: bool,
    now: fn() -> DateTime<Utc>,
}

/// A line of the log.
#[derive(Serialize)]
struct Line<'e> {
    time: String,
    cycle: u64,
    #[serde(flatten)]
    event: &'e Event,
}

impl ObjectLog {
    /// Appends to the file, each line with the number of its cycle.
    #[must_use]
    pub fn new(path: PathBuf, now: fn() -> DateTime<Utc>) -> Self {
        Self { path, file: None, cycle: 0, told: false, now }
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let line = Line { time: (self.now)().to_rfc3339(), cycle: self.cycle, event };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                if fs::metadata(&self.path).is_ok_and(|file| file.len() > LARGEST) {
                    fs::rename(&self.path, older(&self.path))?;
                }
                open(&self.path)?
            }
        };
        file.write_all(&line)?;
        self.file = Some(file);
        Ok(())
    }
}

/// Opens the log behind its last line; one that a program left half is ended, so that it takes no other with it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(".1");
    PathBuf::from(name)
}

impl Observer for ObjectLog {
    fn event(&mut self, event: &Event) {
        if let Event::CycleStarted { run, .. } = event {
            self.cycle = *run;
            // Opened anew for each cycle: it may have grown too large, or somebody moved it away.
            self.file = None;
            self.told = false;
        }
        let kept = matches!(
            event,
            Event::StepDone(_)
                | Event::StepStaged(_)
                | Event::Escrowed { .. }
                | Event::GuardStopped(_)
        );
        if !kept {
            return;
        }
        if let Err(error) = self.write(event)
            && !std::mem::replace(&mut self.told, true)
        {
            tracing::error!(file = %self.path.display(), %error, "the log of objects cannot be written");
        }
    }
}

/// The newest lines of the log, oldest first: at most so many, and only those with this text in them.
///
/// # Errors
/// Where a file is there and cannot be read.
pub fn newest(path: &Path, lines: usize, with: Option<&str>) -> io::Result<Vec<Value>> {
    let mut kept = VecDeque::new();
    for path in [older(path), path.to_owned()] {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).lines() {
            let line = line?;
            if with.is_some_and(|text| !line.to_lowercase().contains(&text.to_lowercase())) {
                continue;
            }
            // The last line of a program that died may be half a line.
            if let Ok(value) = serde_json::from_str(&line) {
                kept.push_back(value);
            }
            if kept.len() > lines {
                kept.pop_front();
            }
        }
    }
    Ok(kept.into())
}

#[cfg(test)]
mod tests {
    use scim_sync::SpaceId;
    use scim_sync::store::EscrowStage;

    use super::*;

    fn epoch() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    #[test]
    fn lines_are_kept_and_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("objects.jsonl");
        let mut log = ObjectLog::new(path.clone(), epoch);
        log.event(&Event::CycleStarted { run: 7, profile: "incremental".to_owned() });
        for n in 0..5 {
            log.event(&Event::Escrowed {
                object: SpaceId(n),
                stage: EscrowStage::Export,
                message: format!("Refused {n}"),
            });
        }
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"half").unwrap();
        let lines = newest(&path, 2, None).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["message"], "Refused 4");
        assert_eq!(lines[1]["cycle"], 7);
        assert_eq!(newest(&path, 9, Some("refused 3")).unwrap().len(), 1);
        assert!(newest(&folder.path().join("none"), 9, None).unwrap().is_empty());

        // The next cycle opens it anew: behind the half line, and where somebody moved the file away.
        let mut again = |cycle| {
            log.event(&Event::CycleStarted { run: cycle, profile: "incremental".to_owned() });
            log.event(&Event::Escrowed {
                object: SpaceId(cycle),
                stage: EscrowStage::Export,
                message: format!("After {cycle}"),
            });
            newest(&path, 1, None).unwrap()[0]["message"].clone()
        };
        assert_eq!(again(8), "After 8");
        fs::rename(&path, folder.path().join("moved")).unwrap();
        assert_eq!(again(9), "After 9");
        assert_eq!(newest(&path, 9, None).unwrap().len(), 1);
    }
}
