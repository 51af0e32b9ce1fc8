//! The page in a real browser: what an operator does from the first sign-in on, wide and narrow, light and dark.
//!
//! `PROVISIONING_PAGE_PICTURES` names a folder for pictures of every page.

use std::path::PathBuf;

use chrono::TimeDelta;
use scim_provisioning_service::job::JobKey;
use scim_provisioning_service::job::wire::{ScheduleState, StatusCode};
use scim_provisioning_service::tokens::Role;
use serde_json::Value;
use testkit::fake_ad::BASE;

use super::bed::PageBed;
use super::driver::Browser;
use crate::bed::until;

/// Whether a page fits every screen and the browser has nothing against it.
async fn look(browser: &Browser, name: &str) {
    let pictures = std::env::var_os("PROVISIONING_PAGE_PICTURES").map(PathBuf::from);
    for (width, dark) in [(1280, false), (1280, true), (390, true), (390, false)] {
        browser.screen(width, dark).await;
        let wide = browser.script("return document.documentElement.scrollWidth").await;
        // A scroll bar at the side takes some of it.
        if wide.as_u64().is_none_or(|wide| wide > u64::from(width)) {
            let culprits = "return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 120))";
            let culprits = browser.script(culprits).await;
            panic!("{name} is {wide} wide on a screen of {width}: {culprits}");
        }
        if let Some(folder) = &pictures {
            let scheme = if dark { "dark" } else { "light" };
            browser.picture(&folder.join(format!("{name}-{width}-{scheme}.png"))).await;
        }
    }
    browser.screen(1280, false).await;
    unnamed(browser, name).await;
    contrast(browser, name).await;
    assert_eq!(browser.complaints().await, [] as [String; 0], "{name}");
}

/// Every field and button has a name, every page one heading and its landmarks.
async fn unnamed(browser: &Browser, name: &str) {
    let script = "
        const named = e => e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim();
        const fields = [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a')];
        const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
        return {
          unnamed: fields.filter(e => !e.hidden && !named(e)).map(e => e.outerHTML),
          headings: document.querySelectorAll('h1').length,
          mains: document.querySelectorAll('main').length,
          twice: ids.filter((id, at) => ids.indexOf(id) !== at),
          lang: document.documentElement.lang,
        }";
    let found = browser.script(script).await;
    assert_eq!(found["unnamed"], Value::Array(Vec::new()), "{name}");
    assert_eq!(found["twice"], Value::Array(Vec::new()), "{name}");
    assert_eq!((&found["headings"], &found["mains"]), (&1.into(), &1.into()), "{name}");
    assert_eq!(found["lang"], "en", "{name}");
}

/// Every text stands out from what is behind it, as WCAG 2 asks at level AA, in the light and in the dark.
async fn contrast(browser: &Browser, name: &str) {
    let script = r"
        const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
        const rgba = text => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
        const over = (top, under) => { const a = top[3] / 255; return [0, 1, 2].map(i => top[i] * a + under[i] * (1 - a)).concat(255); };
        const light = color => { const [r, g, b] = color.map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const behind = e => { const chain = []; for (let at = e; at; at = at.parentElement) chain.push(at); let under = [255, 255, 255, 255]; for (const at of chain.reverse()) under = over(rgba(getComputedStyle(at).backgroundColor), under); return under; };
        const weak = [];
        for (const e of document.querySelectorAll('body *')) {
          const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
          if (!own || !e.checkVisibility() || e.closest('.unseen, .skip, thead')) continue;
          const ground = behind(e), style = getComputedStyle(e);
          const [a, b] = [light(over(rgba(style.color), ground)), light(ground)];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
          if (ratio < (large ? 3 : 4.5)) weak.push(ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 100));
        }
        return weak";
    for dark in [false, true] {
        browser.screen(1280, dark).await;
        assert_eq!(browser.script(script).await, Value::Array(Vec::new()), "{name}, dark: {dark}");
    }
    browser.screen(1280, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_does_a_days_work() {
    let bed = PageBed::start().await;
    let people = bed.bed.people(40);
    let browser = Browser::start().await;
    browser.screen(1280, false).await;
    let at = |path: &str| format!("{}{path}", bed.origin);

    // Sign in.
    browser.go(&at("/")).await;
    browser.says("h1", "Sign in").await;
    look(&browser, "sign-in").await;
    browser.write("#token", &bed.token(Role::Admin).await).await;
    browser.click("button.primary").await;
    browser.says(".verdict", "Two steps").await;
    look(&browser, "overview-empty").await;

    // Make a code, and see the agent come without a reload.
    browser.go(&at("/console/agents")).await;
    look(&browser, "agents-empty").await;
    browser.write("#group", "corp").await;
    browser.click("#new button").await;
    browser.says("#command", "provisioning-agent setup").await;
    let command = browser.text("#command").await;
    let code = command.rsplit(' ').next().unwrap().trim();
    look(&browser, "code").await;
    browser.go(&at("/console/jobs")).await;
    look(&browser, "jobs-empty").await;
    browser.go(&at("/console/agents")).await;
    browser.says("#live", "No agent yet").await;
    bed.agent(code, "dc1").await;
    browser.says("#live", "Connected").await;
    look(&browser, "agents").await;

    // Make a job, start it, pause it and go on.
    browser.go(&at("/console/jobs")).await;
    browser.click(".empty a.button").await;
    browser.write("#name", "Corp to the cloud").await;
    browser.write("#group", "corp").await;
    browser.write("#directory", "corp").await;
    look(&browser, "job-new").await;
    browser.click("#staging").await;
    browser.click("main form button").await;
    browser.says(".badges", "Not configured").await;
    look(&browser, "job-not-configured").await;
    browser.write("#address", &bed.bed.proxy.url()).await;
    browser.write("#secret", testkit::server::TOKEN).await;
    browser.click("#save").await;
    browser.says(".note", "It is saved").await;
    browser.click("details.form summary").await;
    browser.click("#test").await;
    browser.says(".note", "The service answered").await;
    let id = bed.app.jobs.list(&bed.bed.tenant).await.unwrap().remove(0).id;
    let key = JobKey::new(&bed.bed.tenant, &id);
    let job = at(&format!("/console/jobs/{id}"));
    browser.says(".badges", "Not started").await;
    browser.click("#start").await;
    browser.says(".note", "The job was started").await;
    // It is staged: what it would write is looked at before it may.
    until(async || bed.app.jobs.plan(&key).await.map(drop).map_err(|error| error.to_string()))
        .await;
    browser.says("#live", "writes nothing").await;
    look(&browser, "job-staged").await;
    browser.click("#go-live").await;
    browser.says("h1", "Let Corp to the cloud write?").await;
    browser.says("main", "u007").await;
    look(&browser, "go-live").await;
    assert_eq!(tokio::task::block_in_place(|| bed.bed.held().len()), 0);
    browser.click("button#go-live").await;
    browser.says(".note", "The job is live").await;
    bed.bed.kept.clock.advance(TimeDelta::minutes(2));
    bed.app.jobs.wake();
    browser.says("#live", "40 User").await;
    browser.says(".badges", "Running well").await;
    look(&browser, "job").await;
    browser.click("#pause").await;
    browser.says(".badges", "Paused").await;
    assert_eq!(bed.app.jobs.get(&key).await.unwrap().schedule.state, ScheduleState::Paused);
    browser.click("#start").await;
    browser.says(".badges", "Running well").await;
    browser.go(&at("/console")).await;
    browser.says(".verdict", "Everything is fine").await;
    look(&browser, "overview").await;
    browser.go(&at("/console/jobs")).await;
    look(&browser, "jobs").await;

    // The guard stops a plan; it is looked at and allowed.
    for guid in &people[..20] {
        bed.bed.ad.delete(*guid);
    }
    browser.go(&at("/console")).await;
    bed.bed.kept.clock.advance(TimeDelta::minutes(2));
    bed.app.jobs.wake();
    browser.says(".verdict", "One thing needs you").await;
    look(&browser, "overview-needs").await;
    browser.click(".needs a").await;
    browser.says("h1", "A plan waits for you").await;
    let rows = browser.script("return document.querySelectorAll('tbody tr').length").await;
    assert_eq!(rows, 20);
    look(&browser, "plan").await;
    browser.go(&job).await;
    look(&browser, "job-quarantine").await;
    browser.click(".note a.button").await;
    browser.click("#allow").await;
    browser.says(".note", "The plan is allowed").await;
    browser.says("#live", "20 User").await;
    until(async || {
        let held = tokio::task::block_in_place(|| bed.bed.held().len());
        if held == 21 { Ok(()) } else { Err(format!("{held}")) }
    })
    .await;
    assert_eq!(bed.app.jobs.get(&key).await.unwrap().status.code, StatusCode::Active);

    // Search the log: as it is written, without a button.
    browser.go(&at("/console/log")).await;
    look(&browser, "log").await;
    browser.write("#object", "u005@").await;
    browser.says("#found tbody tr:first-child", "u005@fake.example").await;
    until(async || {
        let text = browser.text("#found").await;
        if text.contains("u007") { Err(text) } else { Ok(()) }
    })
    .await;
    let address = browser.script("return location.search").await;
    assert!(address.as_str().unwrap().contains("object=u005"), "{address}");
    browser.script("document.querySelector('#action').value = 'delete'; document.querySelector('#action').dispatchEvent(new Event('change', {bubbles: true}))").await;
    browser.says("#found tbody tr:first-child", "Delete").await;
    look(&browser, "log-search").await;

    // Look at one object before anything is done.
    bed.bed.ad.set(people[30], "cn", Some("Grace"));
    browser.go(&format!("{job}/preview")).await;
    browser.write("#object", &format!("CN=User 30,{BASE}")).await;
    browser.click("#preview").await;
    browser.says(".result", "Would be: Update").await;
    browser.says(".sections", "4. Action").await;
    look(&browser, "preview").await;
    assert!(!bed.bed.written().iter().any(|seen| seen.method == "PATCH"));
    browser.click("#write").await;
    browser.says(".result", "Done: Update").await;
    browser.write("#object", "CN=Nobody").await;
    browser.click("#preview").await;
    browser.says("#result", "It could not be worked out").await;
    browser.go(&at("/console/audit")).await;
    browser.says("tbody", "job.provisionOnDemand").await;
    browser.says("tbody", "job.goLive").await;
    look(&browser, "audit").await;

    // An address that is none is a page too.
    browser.go(&at("/console/nowhere")).await;
    browser.says("h1", "Not here").await;
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|it| it.contains("404 (Not Found)")), "{complaints:?}");
    look(&browser, "not-here").await;

    // Revoke the agent, after a question.
    browser.go(&at("/console/agents")).await;
    browser.click("td.act a").await;
    browser.says("h1", "Revoke").await;
    look(&browser, "revoke").await;
    browser.click("#revoke").await;
    browser.says("#live", "Revoked").await;
    browser.click("#sign-out").await;
    browser.says("h1", "Sign in").await;
    assert_eq!(browser.complaints().await, [] as [String; 0]);
}
