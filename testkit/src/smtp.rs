//! A small real mail server that keeps what it is given, and refuses what it is told to refuse.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::accept::Acceptor;

/// How long a client may take for a line.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest mail that is taken, in bytes.
const LONGEST: usize = 4 << 20;

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Whom the envelope is from.
    pub from: String,
    /// Whom the envelope is for.
    pub to: Vec<String>,
    /// Headers and text, with dots and line ends as they were meant.
    pub data: String,
    /// Whether it came over TLS.
    pub secured: bool,
    /// Who said they were sending it: name and password.
    pub login: Option<(String, String)>,
}

impl Mail {
    /// A header, unfolded, as it was sent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.data.split("\n\n").next()?.replace("\n ", " ").replace("\n\t", " ");
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// Where a conversation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody connected.
    Connected,
    /// Somebody says who it is: name and password.
    Login(String, String),
    /// The envelope is from there.
    From(String),
    /// It is for this one.
    To(String),
    /// A mail was kept and the answer is not sent yet.
    Kept(Box<Mail>),
}

/// What comes of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What is usual.
    Usual,
    /// This line, like `550 5.1.1 nobody of this name`.
    Line(String),
    /// Nothing: the connection closes.
    Close,
}

type Decide = Arc<dyn Fn(&Step) -> Reply + Send + Sync>;

struct State {
    decide: Decide,
    mails: Vec<Mail>,
    connections: usize,
}

/// How the server speaks TLS.
#[derive(Clone, Debug)]
pub enum SmtpTls {
    /// Not at all.
    Never,
    /// After `STARTTLS`, and takes no mail before.
    Starttls(Arc<ServerConfig>),
    /// From the beginning.
    Always(Arc<ServerConfig>),
}

/// The server; it takes no further connections when dropped.
pub struct SmtpSink {
    acceptor: Acceptor,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for SmtpSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpSink")
            .field("address", &self.acceptor.address())
            .finish_non_exhaustive()
    }
}

impl SmtpSink {
    /// A server without TLS on a free port of 127.0.0.1.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::with(SmtpTls::Never)
    }

    /// A server on a free port of 127.0.0.1.
    #[must_use]
    #[track_caller]
    pub fn with(tls: SmtpTls) -> Self {
        let state = State { decide: Arc::new(|_| Reply::Usual), mails: Vec::new(), connections: 0 };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        // A conversation that breaks is the client's to see.
        let acceptor = Acceptor::start(move |stream| drop(converse(stream, &tls, &shared)));
        Self { acceptor, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.acceptor.address().port()
    }

    /// Decides from now on what comes of each step. A decision may take its time.
    pub fn decide(&self, decide: impl Fn(&Step) -> Reply + Send + Sync + 'static) {
        self.state().decide = Arc::new(decide);
    }

    /// Does what is usual again.
    pub fn usual(&self) {
        self.decide(|_| Reply::Usual);
    }

    /// The mails that were taken so far, also those whose sender never heard of it.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.state().mails.clone()
    }

    /// How many times somebody connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state().connections
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One conversation: a line in, a line out.
struct Talk<'a> {
    stream: BufReader<Box<dyn Stream>>,
    state: &'a Mutex<State>,
}

impl Talk<'_> {
    fn say(&mut self, line: &str) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(line.as_bytes())?;
        stream.write_all(b"\r\n")?;
        stream.flush()
    }

    /// A line without its end; `None` when the client is gone.
    fn hear(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(16 * 1024).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Says what comes of a step; gives whether it is the usual.
    fn answer(&mut self, step: &Step, usual: &str) -> io::Result<bool> {
        let decide = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&state.decide)
        };
        match decide(step) {
            Reply::Usual => self.say(usual).map(|()| true),
            Reply::Line(line) => self.say(&line).map(|()| false),
            Reply::Close => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

fn secure(stream: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Box<dyn Stream>> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(connection, stream)))
}

fn converse(stream: TcpStream, tls: &SmtpTls, state: &Mutex<State>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    state.lock().unwrap_or_else(PoisonError::into_inner).connections += 1;
    let plain = stream.try_clone()?;
    let (stream, mut secured) = match tls {
        SmtpTls::Always(config) => (secure(stream, config)?, true),
        SmtpTls::Never | SmtpTls::Starttls(_) => (Box::new(stream) as Box<dyn Stream>, false),
    };
    let mut talk = Talk { stream: BufReader::new(stream), state };
    if !talk.answer(&Step::Connected, "220 sink.example ESMTP")? {
        return Ok(());
    }
    let mut login = None;
    let (mut from, mut to) = (None, Vec::new());
    while let Some(line) = talk.hear()? {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match (verb.to_ascii_uppercase().as_str(), tls) {
            ("EHLO" | "HELO", _) => {
                talk.say("250-sink.example")?;
                if let (SmtpTls::Starttls(_), false) = (tls, secured) {
                    talk.say("250-STARTTLS")?;
                } else {
                    talk.say("250-AUTH PLAIN LOGIN")?;
                }
                talk.say("250-8BITMIME")?;
                talk.say("250 SMTPUTF8")?;
            }
            ("STARTTLS", SmtpTls::Starttls(config)) if !secured => {
                talk.say("220 2.0.0 go ahead")?;
                talk.stream = BufReader::new(secure(plain.try_clone()?, config)?);
                secured = true;
            }
            ("NOOP" | "RSET", _) => {
                (from, to) = (None, Vec::new());
                talk.say("250 2.0.0 so be it")?;
            }
            ("QUIT", _) => {
                talk.say("221 2.0.0 until next time")?;
                return Ok(());
            }
            (_, SmtpTls::Starttls(_)) if !secured => talk.say("530 5.7.0 STARTTLS first")?,
            ("AUTH", _) => {
                let Some((name, password)) = credentials(rest) else {
                    talk.say("504 5.5.4 AUTH PLAIN with its first answer only")?;
                    continue;
                };
                let step = Step::Login(name.clone(), password.clone());
                if talk.answer(&step, "235 2.7.0 welcome")? {
                    login = Some((name, password));
                }
            }
            ("MAIL", _) => {
                let address = envelope(rest);
                if talk.answer(&Step::From(address.clone()), "250 2.1.0 so be it")? {
                    from = Some(address);
                }
            }
            ("RCPT", _) => {
                let address = envelope(rest);
                if talk.answer(&Step::To(address.clone()), "250 2.1.5 so be it")? {
                    to.push(address);
                }
            }
            ("DATA", _) => {
                let Some(from) = from.take().filter(|_| !to.is_empty()) else {
                    talk.say("503 5.5.1 from whom, and for whom?")?;
                    continue;
                };
                talk.say("354 go on")?;
                let data = data(&mut talk)?;
                let to = std::mem::take(&mut to);
                let mail = Mail { from, to, data, secured, login: login.clone() };
                state.lock().unwrap_or_else(PoisonError::into_inner).mails.push(mail.clone());
                talk.answer(&Step::Kept(Box::new(mail)), "250 2.0.0 kept")?;
            }
            _ => talk.say("500 5.5.2 what?")?,
        }
    }
    Ok(())
}

/// The text of a mail up to the line with one dot.
fn data(talk: &mut Talk<'_>) -> io::Result<String> {
    let mut text = String::new();
    loop {
        let Some(line) = talk.hear()? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        if line == "." {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
        if text.len() > LONGEST {
            return Err(io::Error::other("the mail is too long"));
        }
    }
}

/// The address of `FROM:<a@b> ...` and `TO:<a@b> ...`.
fn envelope(text: &str) -> String {
    let inside = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(text, |(address, _)| address).to_owned()
}

/// Name and password of `PLAIN base64`.
fn credentials(text: &str) -> Option<(String, String)> {
    let encoded = text.strip_prefix("PLAIN ")?;
    let plain = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let mut parts = plain.split('\0').skip(1);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(sink: &SmtpSink, lines: &[&str]) -> Vec<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", sink.port())).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut heard = Vec::new();
        let mut hear = || loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap() == 0 {
                return String::new();
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        };
        heard.push(hear());
        for line in lines {
            stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
            heard.push(hear());
        }
        heard
    }

    #[test]
    fn a_mail_is_kept_as_it_was_meant() {
        let sink = SmtpSink::start();
        let text = "Subject: a\r\n b\r\n\r\n..one dot\r\n.";
        let heard = say(&sink, &["EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@y>", "DATA", text]);
        assert!(heard.last().unwrap().starts_with("250"), "{heard:?}");
        let [mail] = sink.mails().try_into().unwrap();
        assert_eq!(
            (mail.from.as_str(), mail.to.as_slice()),
            ("a@x", ["b@y".to_owned()].as_slice())
        );
        assert_eq!(mail.data, "Subject: a\n b\n\n.one dot\n");
        assert_eq!(mail.header("subject").as_deref(), Some("a b"));
    }

    #[test]
    fn what_is_refused_is_not_kept() {
        let sink = SmtpSink::start();
        sink.decide(|step| match step {
            Step::To(address) if address == "b@y" => Reply::Line("550 5.1.1 nobody".to_owned()),
            _ => Reply::Usual,
        });
        let heard = say(&sink, &["EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@y>", "DATA"]);
        assert_eq!(heard[3], "550 5.1.1 nobody");
        assert!(heard[4].starts_with("503"), "{heard:?}");
        assert!(sink.mails().is_empty());
    }
}
