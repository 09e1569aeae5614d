//! Settings for operators of servers: the address of the metrics, and fields of responses.

use std::str::FromStr;

use super::{
    types::Expected,
    value::{Setting, Value, quoted},
};
use crate::server::{ResponseHeader, ResponseHeaderError};

/// A host and a port to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsAddress(pub Option<(String, u16)>);

impl MetricsAddress {
    const EXPECTED: &str = "HOST:PORT such as 127.0.0.1:9100 or [::1]:9100";

    fn parse(text: &str) -> Option<(String, u16)> {
        let (host, port) = text.rsplit_once(':')?;
        let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = !host.is_empty() && (name.is_some() || !host.contains([':', '[', ']', '/', ' ']));
        is_host.then_some(())?;
        Some((name.unwrap_or(host).to_owned(), port.parse().ok()?))
    }
}

impl FromStr for MetricsAddress {
    type Err = Expected;

    fn from_str(text: &str) -> Result<MetricsAddress, Expected> {
        let address = MetricsAddress::parse(text);
        let address = address.ok_or_else(|| Expected::new(MetricsAddress::EXPECTED.to_owned()))?;
        Ok(MetricsAddress(Some(address)))
    }
}

impl Setting for MetricsAddress {
    fn read(value: &Value<'_>) -> Result<MetricsAddress, String> {
        match String::read(value)?.as_str() {
            "" => Ok(MetricsAddress(None)),
            text => text.parse().map_err(|_: Expected| value.not(MetricsAddress::EXPECTED)),
        }
    }

    fn written(&self) -> String {
        quoted(&match &self.0 {
            Some((host, port)) if host.contains(':') => format!("[{host}]:{port}"),
            Some((host, port)) => format!("{host}:{port}"),
            None => String::new(),
        })
    }
}

/// Fields that are added to responses: a list, or lines of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders(pub Vec<ResponseHeader>);

impl Setting for ResponseHeaders {
    fn read(value: &Value<'_>) -> Result<ResponseHeaders, String> {
        let texts = match value {
            Value::List(list) => list.iter().map(|text| String::read(text).ok()).collect::<Option<Vec<_>>>(),
            Value::Text(text) | Value::Environment(text) => {
                Some(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
            }
            _ => None,
        };
        let texts = texts.ok_or_else(|| value.not("a list such as [\"Cache-Control: max-age=60\"]"))?;
        let headers = texts.iter().map(|text| ResponseHeader::parse(text));
        headers.collect::<Result<_, ResponseHeaderError>>().map(ResponseHeaders).map_err(|error| {
            format!("a list of header fields NAME: VALUE that the server does not set itself: {error}")
        })
    }

    fn written(&self) -> String {
        let headers = self.0.iter().map(|header| quoted(&header.to_string()));
        format!("[{}]", headers.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for (text, host, port) in
            [("127.0.0.1:9100", "127.0.0.1", 9100), ("[::1]:0", "::1", 0), ("a.b:1", "a.b", 1)]
        {
            let address: MetricsAddress = text.parse().unwrap();
            assert_eq!(address.0, Some((host.to_owned(), port)));
            assert_eq!(address.written(), format!("\"{text}\""));
        }
        for text in ["", "9100", ":9100", "a:", "::1:9100", "a:99999", "http://a:1", "[]x:1"] {
            assert!(text.parse::<MetricsAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_a_list_or_lines() {
        let read = |value: Value<'_>| ResponseHeaders::read(&value).map(|headers| headers.0.len());
        assert_eq!(read(Value::Environment("A: b\n\nC: d\n")), Ok(2));
        assert_eq!(read(Value::Environment("")), Ok(0));
        let header = ResponseHeader::parse("A: \"b\"").unwrap();
        assert_eq!(ResponseHeaders(vec![header]).written(), "[\"A: \\\"b\\\"\"]");
        let error = read(Value::Environment("Content-Length: 1")).unwrap_err();
        assert!(error.contains("'Content-Length'"), "{error}");
    }
}
