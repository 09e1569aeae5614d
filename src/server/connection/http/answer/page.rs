//! The page of a folder: without scripts, and of use in a text browser.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::Context;
use crate::{
    protocol::{
        address::{Address, Authority, Security, encoded},
        message::{Entry, Kind, Timestamp},
    },
    server::{
        access::host_names::split_port,
        connection::http::request::{
            head::Request,
            target::{Column, Order},
        },
    },
    text::{SafeText, units},
};

/// The style of the page.
const STYLE: &str = include_str!("page.css");
/// Stands for the rows while the page is made.
const ROWS: &str = "<!--rows-->";

/// How the style is allowed: by its digest, since every path is one of the folder.
pub(in super::super) struct Style;

impl Style {
    /// The value of `Content-Security-Policy`.
    pub fn policy() -> &'static str {
        static POLICY: LazyLock<String> = LazyLock::new(|| {
            let digest = STANDARD.encode(Sha256::digest(STYLE));
            format!(
                "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'"
            )
        });
        &POLICY
    }
}

/// What a page has around its rows.
pub(super) struct Page {
    /// The folders from the served one on.
    names: Vec<SafeText>,
    order: Order,
    /// Entries after this name only.
    after: Option<String>,
    /// The name after which the next page begins, encoded.
    next: Option<String>,
    /// What fetches the folder with this program.
    command: String,
    summary: String,
}

impl Page {
    /// The page of a folder. `next`: the name after which the next page begins, encoded.
    pub fn new(request: &Request, entries: &[Entry], next: Option<String>, context: &Context<'_>) -> Page {
        let path = &request.target.path;
        let folders = path.as_str().split('/').filter(|name| !name.is_empty());
        let terms = &context.output.shared.services.terms;
        let default = if context.is_secure { 443 } else { 80 };
        let (host, port) = match request.host.as_deref().and_then(split_port) {
            Some((host, port)) => {
                (host.to_owned(), port.map_or(default, |port| port.parse().unwrap_or(default)))
            }
            None => (terms.local.ip().to_string(), terms.local.port()),
        };
        let security = match &terms.tls {
            Some(setup) => Security::Tls { pin: Some(setup.pin) },
            None => Security::Plain,
        };
        // In a link, the sign before a zone is escaped (RFC 6874).
        let host = host.trim_start_matches('[').trim_end_matches(']').replacen("%25", "%", 1);
        let address = Address { authority: Authority::new(host, port, security), path: path.clone() };
        Page {
            names: std::iter::once(terms.store.name()).chain(folders).map(SafeText::new).collect(),
            order: request.target.order,
            after: request.target.after.as_deref().map(encoded),
            next,
            command: format!("tui {address}"),
            summary: summary(entries),
        }
    }

    /// What is before the rows, and what is after them.
    pub fn render(&self) -> (String, String) {
        let page = self.markup().into_string();
        page.split_once(ROWS).map(|(first, rest)| (first.to_owned(), rest.to_owned())).unwrap_or_default()
    }

    fn markup(&self) -> Markup {
        let title = self.names.last().map_or("", SafeText::as_str);
        let above = |index: usize| "../".repeat(self.names.len() - 1 - index);
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    title { (title) }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    nav aria-label="Folders" {
                        h1 {
                            @for (index, name) in self.names.iter().enumerate() {
                                @if index + 1 < self.names.len() {
                                    a href=(above(index)) { (name.as_str()) }
                                    i { "/" }
                                } @else {
                                    span aria-current="page" { (name.as_str()) }
                                }
                            }
                        }
                    }
                    main {
                        div class="bar" {
                            p { "With resuming and verification: " code { (self.command) } }
                            p class="get" {
                                a class="zip" href="?zip" { "Download as zip" }
                                " "
                                a class="zip" href="?tar" { "as tar" }
                            }
                        }
                        table {
                            thead {
                                tr {
                                    (self.column(Column::Name, "Name", "name"))
                                    (self.column(Column::Size, "Size", "size"))
                                    (self.column(Column::Modified, "Modified (UTC)", "modified"))
                                }
                            }
                            tbody {
                                @if self.names.len() > 1 {
                                    tr { td { a href="../" { "../" } } td {} td {} }
                                }
                                (PreEscaped(ROWS))
                            }
                        }
                    }
                    footer {
                        p {
                            (self.summary)
                            @if let Some(next) = &self.next {
                                " · " a href={ "?" (self.order.query()) "after=" (next) } rel="next" { "more" }
                            }
                            " · " a href={ "?json" (self.after()) } { "JSON" }
                        }
                    }
                }
            }
        }
    }

    /// The parameter for the first entry of the page, if it is not the first of the folder.
    fn after(&self) -> String {
        self.after.as_ref().map(|after| format!("&after={after}")).unwrap_or_default()
    }

    /// The head of a column: a link that sorts by it, or in the other direction.
    fn column(&self, column: Column, title: &str, name: &str) -> Markup {
        let is_sorted = self.order.column == column;
        let is_descending = is_sorted && self.order.is_descending;
        // The largest and the newest are of interest first.
        let descend = if is_sorted { !is_descending } else { column != Column::Name };
        let direction = if descend { "-" } else { "" };
        let after = self.after();
        let (sorted, arrow) = match (is_sorted, is_descending) {
            (false, _) => (None, ""),
            (true, false) => (Some("ascending"), " ↑"),
            (true, true) => (Some("descending"), " ↓"),
        };
        html! {
            th scope="col" aria-sort=[sorted] {
                a href={ "?sort=" (direction) (name) (after) } { (title) (arrow) }
            }
        }
    }
}

/// A page that leads on to a path of this server.
pub(in super::super) fn entrance(location: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content={ "0;url=" (location) };
                title { "Opening" }
            }
            body { p { a href=(location) { "Continue to the files" } } }
        }
    };
    page.into_string()
}

/// The row of an entry.
pub(super) fn row(entry: &Entry) -> String {
    let name = SafeText::new(&entry.name);
    let slash = if entry.kind == Kind::Directory { "/" } else { "" };
    let row = html! {
        tr {
            td {
                @match link(entry) {
                    Some(link) => a href=(link) { (name.as_str()) (slash) },
                    None => { (name.as_str()) " (not served)" }
                }
            }
            td { @if let Some(size) = entry.size { span title={ (units::count(size)) " bytes" } { (units::bytes(size)) } } }
            td { (moment(entry.modified)) }
        }
        "\n"
    };
    row.into_string()
}

/// The link to an entry, relative to its folder.
pub(super) fn link(entry: &Entry) -> Option<String> {
    match entry.kind {
        Kind::File => Some(format!("./{}", encoded(&entry.name))),
        Kind::Directory => Some(format!("./{}/", encoded(&entry.name))),
        Kind::Other => None,
    }
}

/// A point in time to the minute; nothing for one that no calendar has.
fn moment(time: Timestamp) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]");
    let moment = OffsetDateTime::from_unix_timestamp(time.seconds).ok();
    moment.and_then(|moment| moment.format(FORMAT).ok()).unwrap_or_default()
}

/// How many entries there are, and how large the files are.
fn summary(entries: &[Entry]) -> String {
    let count = |kind| entries.iter().filter(|entry| entry.kind == kind).count() as u64;
    let named = |number: u64, name: &str| match number {
        1 => format!("1 {name}"),
        number => format!("{} {name}s", units::count(number)),
    };
    let size = entries.iter().filter_map(|entry| entry.size).fold(0, u64::saturating_add);
    let (folders, files) = (count(Kind::Directory), count(Kind::File));
    match (folders, files) {
        (0, 0) => "empty".to_owned(),
        (folders, 0) => named(folders, "folder"),
        (0, files) => format!("{}, {}", named(files, "file"), units::bytes(size)),
        (folders, files) => {
            format!("{}, {}, {}", named(folders, "folder"), named(files, "file"), units::bytes(size))
        }
    }
}
