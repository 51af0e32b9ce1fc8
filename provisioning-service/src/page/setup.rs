//! Making a job, and telling it where to write.

use std::collections::BTreeSet;

use axum::extract::Path;
use maud::{Markup, html};

use super::Answer;
use super::agents::known;
use super::guard::Visit;
use super::job::key;
use super::layout::{Place, csrf};
use super::words::visible;
use crate::job::wire::{NewJob, SecretPair, ValidateCredentials};
use crate::job::{JobError, JobSettings, Mode, templates};

/// `GET /console/jobs/new`
pub(super) async fn form(visit: Visit) -> Answer {
    let templates = templates::all().map_err(JobError::Internal)?;
    let now = visit.app.clock.now();
    let agents = known(&visit, now).await?;
    let groups = visit.app.agents.group_list(&visit.session.caller.tenant).await?;
    let directories: BTreeSet<&str> =
        agents.iter().flat_map(|one| one.agent.directories.iter().map(String::as_str)).collect();
    let body = html! {
        p.trail { a href="/console/jobs" { "Jobs" } }
        div.head { h1 { "Make a job" } }
        form.panel.form method="post" action="/console/jobs" {
            (csrf(&visit.session))
            div.fields {
                div.wide {
                    label for="name" { "Name" }
                    input id="name" name="name" required maxlength="100" placeholder="Corp to the cloud";
                }
                div.wide {
                    label for="template" { "Template" }
                    select id="template" name="template" {
                        @for template in &templates {
                            option value=(template.id) selected[template.default] { (template.description) }
                        }
                    }
                }
                div {
                    label for="group" { "Group of agents" }
                    input id="group" name="group" required maxlength="100" list="groups" autocapitalize="none" spellcheck="false";
                    datalist id="groups" { @for (group, _) in &groups { option value=(group) {} } }
                }
                div {
                    label for="directory" { "Directory, as the agents call it" }
                    input id="directory" name="directory" required maxlength="200" list="directories" autocapitalize="none" spellcheck="false";
                    datalist id="directories" { @for directory in directories { option value=(visible(directory)) {} } }
                }
            }
            div.check {
                input type="checkbox" id="staging" name="staging" value="yes";
                label for="staging" { "Stage it first" span.soft { "Cycles read and work everything out, and write nothing." } }
            }
            button.primary type="submit" { "Make the job" }
            p.help { "It does nothing yet: the next page asks where it writes, and it runs when somebody starts it." }
        }
    };
    Ok(visit.page(Place::Jobs, "Make a job", &body))
}

/// `POST /console/jobs`
pub(super) async fn create(visit: Visit) -> Answer {
    let form = &visit.form;
    let mode = if form.some("staging").is_some() { Mode::Staging } else { Mode::Active };
    let hybrid = JobSettings {
        name: form.text("name").to_owned(),
        mode,
        ..JobSettings::new(form.text("group"), form.text("directory"))
    };
    let new = NewJob { template_id: form.text("template").to_owned(), hybrid };
    let caller = &visit.session.caller;
    let made = visit.app.jobs.create(&caller.tenant, new, &caller.actor()).await?;
    Ok(visit.done(&format!("/console/jobs/{}", made.id), "created"))
}

/// Where a job writes, as a part of its page. What was saved is never shown.
pub(super) fn target(visit: &Visit, here: &str, open: bool) -> Markup {
    html! {
        details.panel.form open[open] {
            summary { "Where it writes" }
            form method="post" action={ (here) "/target" } {
                (csrf(&visit.session))
                div.fields {
                    div.wide {
                        label for="address" { "Address of the SCIM service" }
                        input type="url" id="address" name="address" maxlength="1000" placeholder="https://cloud.example/scim/v2" autocomplete="off";
                    }
                    div.wide {
                        label for="secret" { "Its token" }
                        input type="password" id="secret" name="secret" maxlength="16000" autocomplete="off";
                    }
                }
                p.help { "Both are sealed and shown to nobody again. What is left empty stays as it is." }
                div.actions {
                    button.primary type="submit" name="act" value="save" id="save" { "Save" }
                    button.plain type="submit" name="act" value="test" id="test" { "Test what is saved" }
                }
            }
        }
    }
}

/// `POST /console/jobs/{job}/target`
pub(super) async fn save(visit: Visit, Path(job): Path<String>) -> Answer {
    let key = key(&visit, &job);
    let here = format!("/console/jobs/{job}");
    if visit.form.text("act") == "test" {
        let saved = ValidateCredentials { use_saved_credentials: true, credentials: Vec::new() };
        visit.app.jobs.validate(&key, &saved).await?;
        return Ok(visit.done(&here, "reached"));
    }
    let given = [("BaseAddress", "address"), ("SecretToken", "secret")];
    let pairs: Vec<SecretPair> = given
        .into_iter()
        .filter_map(|(key, field)| {
            let value = visit.form.some(field)?.to_owned().into();
            Some(SecretPair { key: key.to_owned(), value })
        })
        .collect();
    visit.app.jobs.save_secrets(&key, &pairs, &visit.session.caller.actor()).await?;
    Ok(visit.done(&here, "saved"))
}
