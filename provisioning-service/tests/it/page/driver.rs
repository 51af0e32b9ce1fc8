//! A real browser, driven by the WebDriver protocol: JSON over HTTP, which needs no more than this.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

const DEADLINE: Duration = Duration::from_secs(60);
/// What the protocol calls a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(super) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browsers with itself only when it is told to.
        let quitted = self.quit();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        if !std::thread::panicking() {
            assert!(quitted.as_ref().is_ok_and(|it| it.contains(" 200 ")), "{quitted:?}");
        }
    }
}

/// Starts the driver, and gives its port.
fn driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is missing: install it (Debian: apt-get install chromium chromium-driver)");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        let line = line.ok()?;
        let (_, rest) = line.split_once("successfully on port ")?;
        rest.trim_end_matches('.').parse::<u16>().ok()
    });
    let Some(port) = port else {
        let _ = driver.wait();
        return None;
    };
    // Whoever no longer reads would make it wait some day.
    std::thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}

impl Browser {
    /// Ends the browser, and gives the first line of the answer.
    fn quit(&self) -> io::Result<String> {
        let Self { address, session, .. } = self;
        let mut socket = std::net::TcpStream::connect(address)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        write!(socket, "DELETE /session/{session} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line)?;
        Ok(line)
    }

    pub(super) async fn start() -> Self {
        // It takes a free port of one family of addresses and ends where somebody has it in the other.
        let (driver, port) = (0..5).find_map(|_| driver()).expect("chromedriver said no port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let profile = TempDir::with_prefix("page-browser-").unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        let mut arguments =
            vec!["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", &data];
        if rustix::process::geteuid().is_root() {
            arguments.push("--no-sandbox");
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments},
        }}});
        let mut browser = Self { driver, address, session: String::new(), _profile: profile };
        let begun = browser.ask(Method::POST, "/session", &wanted).await.unwrap();
        begun["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        browser
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let socket = TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let body = if method == Method::GET { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .header("content-length", body.len())
            .body(Full::<Bytes>::from(body))
            .unwrap();
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let good = answer.status().is_success();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&body.to_bytes()).map_err(|e| e.to_string())?;
        if good { Ok(answer["value"].clone()) } else { Err(answer["value"]["message"].to_string()) }
    }

    async fn command(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(Method::POST, &format!("/session/{}/{path}", self.session), body).await
    }

    pub(super) async fn go(&self, url: &str) {
        self.command("url", &json!({ "url": url })).await.unwrap();
    }

    async fn element(&self, css: &str) -> Result<String, String> {
        let found =
            self.command("element", &json!({"using": "css selector", "value": css})).await?;
        Ok(found[ELEMENT].as_str().unwrap_or_default().to_owned())
    }

    /// Presses something, as soon as it is there and stays long enough.
    pub(super) async fn click(&self, css: &str) {
        self.until(css, async || {
            let element = self.element(css).await?;
            self.command(&format!("element/{element}/click"), &json!({})).await.map(drop)
        })
        .await;
    }

    pub(super) async fn write(&self, css: &str, text: &str) {
        self.until(css, async || {
            let element = self.element(css).await?;
            self.command(&format!("element/{element}/clear"), &json!({})).await?;
            let text = json!({ "text": text });
            self.command(&format!("element/{element}/value"), &text).await.map(drop)
        })
        .await;
    }

    pub(super) async fn script(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": []})).await.unwrap()
    }

    /// What can be read of the page, or of a part of it.
    pub(super) async fn text(&self, css: &str) -> String {
        let script = format!("return document.querySelector({}).innerText", json!(css));
        self.script(&script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a part of the page says this.
    pub(super) async fn says(&self, css: &str, words: &str) {
        self.until(words, async || {
            let element = self.element(css).await?;
            let path = format!("/session/{}/element/{element}/text", self.session);
            let text = self.ask(Method::GET, &path, &Value::Null).await?;
            let found = text.as_str().is_some_and(|text| text.contains(words));
            if found { Ok(()) } else { Err(text.to_string()) }
        })
        .await;
    }

    async fn until(&self, what: &str, mut so: impl AsyncFnMut() -> Result<(), String>) {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while let Err(last) = so().await {
            let now = tokio::time::Instant::now();
            assert!(now < deadline, "not in time: {what}; last: {last}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.command("goog/cdp/execute", &body).await.unwrap()
    }

    /// A screen of this width, which likes it dark or not.
    pub(super) async fn screen(&self, width: u32, dark: bool) {
        let (mobile, height) = (width < 600, if width < 600 { 844 } else { 900 });
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// A picture of the whole page.
    pub(super) async fn picture(&self, file: &Path) {
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.devtools("Page.captureScreenshot", whole).await;
        let data = shot["data"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// What the browser complained of since this was asked last.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({"type": "browser"})).await.unwrap();
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(ToString::to_string).collect()
    }
}
