//! What a child process writes.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A stream of the child, read to its end by a thread so that the child never blocks on it.
#[derive(Debug)]
pub(crate) struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Output {
    pub(crate) fn collect<R: Read + Send + 'static>(
        stream: Option<R>,
        lines: Option<Sender<String>>,
    ) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&text);
        let reader = stream.map(|stream| {
            thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                let mut line = Vec::new();
                while matches!(read_line(&mut stream, &mut line), Ok(true)) {
                    let line = String::from_utf8_lossy(&line);
                    shared.lock().unwrap_or_else(PoisonError::into_inner).push_str(&line);
                    if let Some(lines) = &lines {
                        // Nobody listens any more once the server is ready.
                        let _ = lines.send(line.trim_end().to_owned());
                    }
                }
            })
        });
        Self { text, reader }
    }

    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end of the stream; the process must have ended.
    pub(crate) fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            // A panic of the reader has nothing to add to the text.
            let _ = reader.join();
        }
    }
}

fn read_line(stream: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(stream.read_until(b'\n', line)? > 0)
}
