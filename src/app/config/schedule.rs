//! `limit_schedule`: limits by the time of day, as a list of tables, or in the environment as text.

use std::str::FromStr;

use super::{
    types::Rate,
    value::{Setting, Value},
};
use crate::client::{LimitPeriod, LimitSchedule, TimeOfDay};

const EXPECTED: &str = "a list of periods such as { from = \"08:00\", to = \"18:00\", limit = \"2M\" }";

impl Setting for LimitSchedule {
    fn read(value: &Value<'_>) -> Result<LimitSchedule, String> {
        let periods: Result<Vec<_>, String> = match value {
            Value::List(list) => list.iter().map(period).collect(),
            Value::Text(text) | Value::Environment(text) if text.trim().is_empty() => Ok(Vec::new()),
            Value::Text(text) | Value::Environment(text) => {
                let read = |text: &str| {
                    written(text).ok_or_else(|| value.not("periods such as 08:00-18:00 2M, 22:00-06:00 0"))
                };
                text.split(',').map(read).collect()
            }
            _ => Err(value.not(EXPECTED)),
        };
        LimitSchedule::new(periods?).map_err(|error| format!("periods that do not overlap: {error}"))
    }

    fn written(&self) -> String {
        let period = |LimitPeriod { from, to, limit }: &LimitPeriod| {
            format!("{{ from = \"{from}\", to = \"{to}\", limit = {} }}", limit.unwrap_or(0))
        };
        format!("[{}]", self.periods().iter().map(period).collect::<Vec<_>>().join(", "))
    }
}

fn period(value: &Value<'_>) -> Result<LimitPeriod, String> {
    let Value::Table(members) = value else { return Err(value.not(EXPECTED)) };
    let (mut from, mut to, mut limit) = (None, None, None);
    for (name, value) in members {
        let wrong = |expected: String| format!("{EXPECTED}: its {name} must be {expected}");
        match *name {
            "from" => from = Some(time(value).map_err(wrong)?),
            "to" => to = Some(time(value).map_err(wrong)?),
            "limit" => limit = Some(Rate::read(value).map_err(wrong)?),
            _ => return Err(format!("{EXPECTED}: a period has no '{name}'")),
        }
    }
    match (from, to, limit) {
        (Some(from), Some(to), Some(Rate(limit))) => Ok(LimitPeriod { from, to, limit }),
        _ => Err(format!("{EXPECTED}: a period has from, to and limit")),
    }
}

fn time(value: &Value<'_>) -> Result<TimeOfDay, String> {
    let text = String::read(value).map_err(|_| value.not("a time of day such as \"08:00\""))?;
    text.parse().map_err(|_| value.not("a time of day such as \"08:00\""))
}

/// A period as text: `08:00-18:00 2M`.
fn written(text: &str) -> Option<LimitPeriod> {
    let (times, rate) = text.trim().split_once(char::is_whitespace)?;
    let (from, to) = times.split_once('-')?;
    let limit = Rate::from_str(rate.trim()).ok()?.0;
    Some(LimitPeriod { from: from.parse().ok()?, to: to.parse().ok()?, limit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::config::Options;

    fn of_file(list: &str) -> Result<LimitSchedule, String> {
        let content = format!("[client]\nlimit_schedule = {list}\n");
        let options = Options::from_file(std::path::Path::new("c.toml"), &content);
        let schedule = options.map_err(|error| error.to_string())?.client.limit_schedule;
        Ok(schedule.expect("it is set"))
    }

    #[test]
    fn periods_are_tables_or_text() {
        let period = |from: &str, to: &str, limit| LimitPeriod {
            from: from.parse().expect(from),
            to: to.parse().expect(to),
            limit,
        };
        let expected = LimitSchedule::new(vec![
            period("08:00", "18:00", Some(2_000_000)),
            period("22:00", "06:00", None),
        ]);
        let file = of_file(
            "[{ from = \"08:00\", to = \"18:00\", limit = \"2M\" },\n  { from = \"22:00\", limit = 0, to = \"6:00\" }]",
        );
        assert_eq!(file.as_ref(), Ok(expected.as_ref().expect("a schedule")));
        assert_eq!(LimitSchedule::read(&Value::Environment("08:00-18:00 2M, 22:00-06:00  0")), file);
        for empty in ["[]", "\"\""] {
            assert_eq!(of_file(empty), Ok(LimitSchedule::default()));
        }
    }

    #[test]
    fn wrong_schedules_are_explained() {
        let cases = [
            ("3", "such as { from = \"08:00\", to = \"18:00\", limit = \"2M\" }, not 3"),
            ("[3]", ", not 3"),
            ("[{ from = \"08:00\", limit = 1 }]", "a period has from, to and limit"),
            ("[{ form = \"08:00\" }]", "a period has no 'form'"),
            ("[{ from = \"8\" }]", "its from must be a time of day such as \"08:00\", not \"8\""),
            ("[{ to = 8 }]", "its to must be a time of day such as \"08:00\", not 8"),
            ("[{ limit = \"fast\" }]", "its limit must be a rate in bytes a second"),
            (
                "[{ from = \"08:00\", to = \"18:00\", limit = 1 }, { from = \"17:00\", to = \"20:00\", limit = 2 }]",
                "periods that do not overlap: 08:00 to 18:00 and 17:00 to 20:00 overlap",
            ),
            ("\"08:00-18:00\"", "must be periods such as 08:00-18:00 2M, 22:00-06:00 0, not \"08:00-18:00\""),
        ];
        for (list, message) in cases {
            let error = of_file(list).expect_err(list);
            assert!(error.starts_with("c.toml, line 2: 'client.limit_schedule' must be "), "{error}");
            assert!(error.contains(message), "{error}");
        }
    }
}
