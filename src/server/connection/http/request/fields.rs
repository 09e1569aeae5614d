//! The fields of a request that the server uses.

use std::fmt;

/// Their names.
const USED: [&str; 16] = [
    "authorization",
    "connection",
    "cookie",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "referer",
    "sec-fetch-mode",
    "upgrade-insecure-requests",
    "user-agent",
    "want-digest",
    "want-repr-digest",
];

/// The values of fields, by name. Several values of one name are joined as RFC 9110 5.2 has it.
#[derive(Default)]
pub(crate) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Those of a head.
    pub fn new(headers: &[httparse::Header<'_>]) -> Fields {
        let mut fields: Vec<(&'static str, String)> = Vec::new();
        for header in headers {
            let Some(name) = USED.into_iter().find(|name| header.name.eq_ignore_ascii_case(name)) else {
                continue;
            };
            let value = String::from_utf8_lossy(header.value);
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => {
                    // Cookies are the exception.
                    values.push_str(if name == "cookie" { "; " } else { ", " });
                    values.push_str(&value);
                }
                None => fields.push((name, value.into_owned())),
            }
        }
        Fields(fields)
    }

    /// The value of a field, of which `name` is one of those that are used.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// Without the values, which may be secret.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
