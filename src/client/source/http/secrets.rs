//! What is sent to one server and to no other: header fields of the user, user name and password, and cookies.

use std::time::SystemTime;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{
    Url,
    header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, REFERER, USER_AGENT},
};
use zeroize::Zeroizing;

use super::Http;
use crate::client::api::address::web_header::WebHeader;

/// The fields of one request.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    pub(super) fields: HeaderMap,
    /// Whether one of them may be a secret.
    pub(super) are_there: bool,
}

impl Http {
    /// The fields of a request to a URL. `is_own`: whether it is at the server of the address; another one gets the cookies that match it,
    /// and nothing else.
    pub(super) fn secrets(&self, url: &Url, is_own: bool) -> Secrets {
        let mut fields = HeaderMap::new();
        if is_own {
            self.own_fields(&mut fields);
        }
        if let Some(jar) = &self.clients.web().cookies
            && let Some(value) = jar.for_url(url, SystemTime::now())
        {
            // One field has them all: servers read no second one.
            let given = fields.get(COOKIE).map(|given| given.as_bytes().to_vec());
            let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(match given {
                Some(given) => [&given, &b"; "[..], value.as_bytes()].concat(),
                None => value.as_bytes().to_vec(),
            });
            insert(&mut fields, COOKIE, &bytes);
        }
        let are_there = fields.keys().any(|name| name != USER_AGENT && name != REFERER);
        Secrets { fields, are_there }
    }

    /// The fields that only the server of the address gets. Those of the job come before those of all jobs.
    fn own_fields(&self, fields: &mut HeaderMap) {
        let web = self.clients.web();
        if let Some(referer) = &web.referer {
            insert(fields, REFERER, referer.as_bytes());
        }
        let is_own = |header: &&WebHeader| self.headers.iter().any(|own| own.has_name_of(header));
        web.headers.iter().filter(|header| !is_own(header)).for_each(|header| append(fields, header));
        if self.headers.iter().any(|own| *own.name() == REFERER) {
            fields.remove(REFERER);
        }
        self.headers.iter().for_each(|header| append(fields, header));
        if fields.contains_key(AUTHORIZATION) {
            return;
        }
        if let Some((user, password)) = self.credentials() {
            let pair = Zeroizing::new(format!("{user}:{}", password.as_str()));
            let basic = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
            insert(fields, AUTHORIZATION, basic.as_bytes());
        }
    }

    /// The user name and password: those of the address, else those of the netrc file.
    fn credentials(&self) -> Option<(String, Zeroizing<String>)> {
        let given = self.address.user();
        if let Some((user, Some(password))) = given {
            return Some((user, Zeroizing::new(password)));
        }
        let user = given.map(|(user, _)| user);
        let netrc = self.clients.web().netrc.as_ref();
        let found = netrc.and_then(|netrc| netrc.find(self.address.host(), user.as_deref()));
        let found = found.map(|(user, password)| (user.to_owned(), Zeroizing::new(password.to_owned())));
        found.or_else(|| Some((user?, Zeroizing::default())))
    }
}

fn insert(fields: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(mut value) = HeaderValue::from_bytes(value) {
        value.set_sensitive(true);
        fields.insert(name, value);
    }
}

fn append(fields: &mut HeaderMap, header: &WebHeader) {
    fields.append(header.name(), header.value().clone());
}
