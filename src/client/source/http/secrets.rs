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
            if let Some(headers) = &self.headers {
                self.headers_of_user(headers, &mut fields);
            }
            self.authorization(&mut fields);
        }
        if let Some(jar) = &self.clients.web().cookies
            && let Some(value) = jar.for_url(url, SystemTime::now())
        {
            append_value(&mut fields, COOKIE, value.as_bytes());
        }
        join_cookies(&mut fields);
        let are_there = fields.keys().any(|name| name != USER_AGENT && name != REFERER);
        Secrets { fields, are_there }
    }

    /// The fields that the user has given for the server of the address. Those of the job come before those of all jobs.
    fn headers_of_user(&self, headers: &[WebHeader], fields: &mut HeaderMap) {
        let web = self.clients.web();
        if let Some(referer) = &web.referer {
            insert(fields, REFERER, referer.as_bytes());
        }
        let is_own = |header: &&WebHeader| headers.iter().any(|own| own.has_name_of(header));
        web.headers.iter().filter(|header| !is_own(header)).for_each(|header| append(fields, header));
        if headers.iter().any(|own| *own.name() == REFERER) {
            fields.remove(REFERER);
        }
        headers.iter().for_each(|header| append(fields, header));
    }

    /// The user name and password for the server of the address, unless a field of the user has them.
    fn authorization(&self, fields: &mut HeaderMap) {
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
        let is_meant = self.headers.is_some();
        let found = netrc.and_then(|netrc| netrc.find(self.address.host(), user.as_deref(), is_meant));
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

fn append_value(fields: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(mut value) = HeaderValue::from_bytes(value) {
        value.set_sensitive(true);
        fields.append(name, value);
    }
}

/// One field has all cookies: servers read no second one.
fn join_cookies(fields: &mut HeaderMap) {
    let given: Vec<_> = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if given.len() > 1 {
        let joined = Zeroizing::new(given.join(&b"; "[..]));
        insert(fields, COOKIE, &joined);
    }
}

fn append(fields: &mut HeaderMap, header: &WebHeader) {
    fields.append(header.name(), header.value().clone());
}
