//! The file by which a cycle is taken back.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use scim_sync::undo::{UndoEntry, UndoFileError, UndoLines, UndoMark, UndoSink, read_marks};

/// The file by which a cycle is taken back, for its owner only. It is made with its first line, so that a cycle that writes
/// nothing leaves none; a flush means that its lines are on the disk.
#[derive(Debug)]
pub struct UndoFile {
    path: PathBuf,
    lines: Option<UndoLines<Lasting>>,
}

impl UndoFile {
    /// A file in this folder, named by the moment.
    #[must_use]
    pub fn new(folder: &Path, now: DateTime<Utc>) -> Self {
        let name = format!("{}.jsonl", now.format("%Y-%m-%dT%H-%M-%S%.3fZ"));
        Self { path: folder.join(name), lines: None }
    }

    /// Where it is, if anything was written to it.
    #[must_use]
    pub fn written(&self) -> Option<&Path> {
        self.lines.as_ref().map(|_| self.path.as_path())
    }
}

impl UndoSink for UndoFile {
    fn record(&mut self, entry: &UndoEntry) -> io::Result<()> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            None => {
                let (path, file) = Lasting::create(&self.path)?;
                self.path = path;
                self.lines.insert(UndoLines(file))
            }
        };
        lines.record(entry)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.as_mut().map_or(Ok(()), UndoSink::flush)
    }
}

/// Opens what an undo of `file` has marked beside it, and gives what an earlier one marked that was broken off.
///
/// # Errors
/// Where it cannot be read, made or written.
pub fn undo_progress(file: &Path) -> Result<(Vec<UndoMark>, UndoLines<Lasting>), UndoFileError> {
    let mut path = file.as_os_str().to_owned();
    path.push(".progress");
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(PathBuf::from(path))?;
    let (marks, whole) = read_marks(BufReader::new(&open))?;
    // A mark that was cut off was never kept.
    open.set_len(whole)?;
    open.seek(SeekFrom::End(0))?;
    Ok((marks, UndoLines(Lasting(BufWriter::new(open)))))
}

/// A file whose flush means that what was written is on the disk.
#[derive(Debug)]
pub struct Lasting(BufWriter<File>);

impl Lasting {
    fn create(path: &Path) -> io::Result<(PathBuf, Self)> {
        if let Some(folder) = path.parent() {
            let mut folders = std::fs::DirBuilder::new();
            folders.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
            folders.create(folder)?;
        }
        let mut options = File::options();
        options.create_new(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // Two cycles of one millisecond have a file each.
        let mut wanted = path.to_owned();
        for number in 2.. {
            match options.open(&wanted) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 100 => {
                    wanted = path.with_extension(format!("{number}.jsonl"));
                }
                opened => return Ok((wanted, Self(BufWriter::new(opened?)))),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Write for Lasting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        self.0.get_ref().sync_data()
    }
}
