//! Whether a text is π to so many places, as far as its length, its beginning and its end tell.

/// What is wrong with a result.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WrongDigits {
    #[error("{found} bytes came instead of {expected}")]
    Length { expected: usize, found: usize },
    #[error("the digits do not begin with {START}")]
    Start,
    #[error("the digits end with {found} instead of {expected}")]
    End { expected: &'static str, found: String },
}

pub(crate) fn pi(places: u32, text: &str) -> Result<(), WrongDigits> {
    let expected = if places == 0 { 1 } else { places as usize + 2 };
    if text.len() != expected {
        return Err(WrongDigits::Length { expected, found: text.len() });
    }
    if !text.starts_with(START) && !START.starts_with(text) {
        return Err(WrongDigits::Start);
    }
    let end = ENDS.iter().find(|(known, _)| *known == places);
    match end {
        Some((_, end)) if !text.ends_with(end) => {
            let found = text.chars().skip(expected - end.len()).collect();
            Err(WrongDigits::End { expected: end, found })
        }
        _ => Ok(()),
    }
}

const START: &str = "3.14159";

/// The last ten decimals for some numbers of places, as MPFR computes them.
const ENDS: [(u32, &str); 7] = [
    (50, "6939937510"),
    (100, "3421170679"),
    (1000, "2164201989"),
    (10_000, "5256375678"),
    (100_000, "5493624646"),
    (1_000_000, "5779458151"),
    (10_000_000, "5348955897"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_checked_at_both_ends_and_for_its_length() {
        let fifty = "3.14159265358979323846264338327950288419716939937510";
        assert_eq!(pi(50, fifty), Ok(()));
        assert_eq!(pi(0, "3"), Ok(()));
        assert_eq!(pi(5, "3.14159"), Ok(()));
        assert_eq!(pi(5, "3.14160"), Err(WrongDigits::Start));
        assert_eq!(pi(5, "3.1415"), Err(WrongDigits::Length { expected: 7, found: 6 }));
        let other = fifty.replace("510", "511");
        let end = WrongDigits::End { expected: "6939937510", found: "6939937511".into() };
        assert_eq!(pi(50, &other), Err(end));
    }
}
