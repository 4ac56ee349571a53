//! A file and a document, and what comes of them.

use super::*;
use crate::number::Number;
use crate::report::document::{Figure, Section};
use crate::report::table::{Cell, Column, Table};
use crate::report::text::Text;

fn document() -> Document {
    let columns = [
        Column::text("workload", "workload"),
        Column::text("system", "system"),
        Column::number("p99_ms", "p99", "ms"),
        Column::interval("p99_95_ms", "95 %", "ms"),
        Column::text("trials", "trials"),
    ];
    let mut table = Table::new("latency", Text::parse("*How* long."), &columns);
    for (system, p99) in [("null", 1.0), ("⚠ telegraft ×3", 1234.5)] {
        let [value, low, high] = Number::with_interval(p99, p99 * 0.9, p99 * 1.1);
        table.row(vec![
            Cell::text("chat"),
            Cell::text(system),
            Cell::Number(value),
            Cell::Interval(low, high),
            Cell::text("3"),
        ]);
    }
    table.notes = vec![Text::plain("⚠ one <!-- /telegraft --> fails")];
    let mut inner = Section::new("latency", "Latency");
    inner.list(vec![Text::parse("It is `fast`."), Text::plain("Or *not*.")]);
    inner.table(table);
    inner.figures(vec![Figure {
        name: "nines".to_owned(),
        title: "Nines".to_owned(),
        alt: "A [curve]".to_owned(),
        caption: Text::parse("Up."),
        svg: String::new(),
    }]);
    let mut threats = Section::new("threats", "Threats");
    threats.list(vec![Text::plain("It is small.")]);
    threats.warnings(vec![Text::plain("⚠ One failed."), Text::plain("Or two.")]);
    let mut section = Section::new("results", "Results");
    section.section(inner);
    section.section(threats);
    Document {
        title: String::new(),
        lead: Vec::new(),
        sections: vec![section],
    }
}

fn refreshed(source: &str) -> Result<String, Vec<Trouble>> {
    refresh(source, &document(), &|name| Ok(format!("plots/{name}.svg")))
}

/// The one thing that is wrong.
fn wrong(source: &str) -> String {
    let troubles = refreshed(source).expect_err(source);
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    troubles[0].to_string()
}

#[test]
fn what_stands_between_markers_is_new_and_the_rest_is_not() {
    let source = "# A  \n\n<!-- telegraft:table latency -->\nold | stuff\n<!-- /telegraft -->\n\
        <!-- a comment -->\n<!-- telegraft:figure nines --><!-- /telegraft -->\n\
        <!--telegraft:findings latency-->\n\n<!-- /telegraft -->\n\
        p99 is <!-- telegraft:value latency/chat/telegraft x3/p99_ms -->1<!-- /telegraft --> ms \
        <!-- telegraft:value latency/chat/telegraft ×3/p99_95_ms --><!-- /telegraft -->, \
        <!-- telegraft:value latency/chat/p99_ms -->\nx\n<!-- /telegraft -->\n\ttail";
    let expected = "# A  \n\n<!-- telegraft:table latency -->\n\n*How* long.\n\n\
        | workload | system | p99 (ms) | 95 % (ms) | trials |\n\
        | --- | --- | ---: | ---: | --- |\n\
        | chat | null | 1.00 | 0.90–1.10 | 3 |\n\
        | chat | ⚠ telegraft ×3 | 1,230 | 1,110–1,360 | 3 |\n\n\
        ⚠ one &lt;!-- /telegraft --> fails\n\n<!-- /telegraft -->\n\
        <!-- a comment -->\n<!-- telegraft:figure nines -->\n\n\
        ![A \\[curve\\]](plots/nines.svg)\n\n*Nines.* Up.\n\n<!-- /telegraft -->\n\
        <!--telegraft:findings latency-->\n\n- It is `fast`.\n- Or \\*not\\*.\n\n<!-- /telegraft -->\n\
        p99 is <!-- telegraft:value latency/chat/telegraft x3/p99_ms -->1,230<!-- /telegraft --> ms \
        <!-- telegraft:value latency/chat/telegraft ×3/p99_95_ms -->\\[1,110, 1,360\\]<!-- /telegraft -->, \
        <!-- telegraft:value latency/chat/p99_ms -->1.00<!-- /telegraft -->\n\ttail";
    let text = refreshed(source).expect("every marker is good");
    assert_eq!(text, expected);
    assert_eq!(refreshed(&text).as_deref(), Ok(expected), "the second time");
}

#[test]
fn what_must_not_be_overlooked_comes_first() {
    let text = refreshed("<!-- telegraft:findings threats --><!-- /telegraft -->");
    assert_eq!(
        text.as_deref(),
        Ok(
            "<!-- telegraft:findings threats -->\n\n- ⚠ One failed.\n- ⚠ Or two.\n\
            - It is small.\n\n<!-- /telegraft -->"
        )
    );
}

#[test]
fn lines_end_as_they_did() {
    let source = "a\r\n<!-- telegraft:findings latency -->\r\nold\r\n<!-- /telegraft -->\r\nb\n";
    let text = refreshed(source).expect("every marker is good");
    assert_eq!(
        text,
        "a\r\n<!-- telegraft:findings latency -->\r\n\r\n- It is `fast`.\r\n- Or \\*not\\*.\r\n\r\n\
         <!-- /telegraft -->\r\nb\n"
    );
    assert_eq!(refreshed(&text).as_ref(), Ok(&text));
}

#[test]
fn markers_in_code_are_text() {
    let fenced =
        "```md\n<!-- telegraft:table NAME -->\n```\n\n~~~~\n~~~\n<!-- /telegraft -->\n~~~~\n";
    assert_eq!(refreshed(fenced).as_deref(), Ok(fenced));
    let open = "   ```\n<!-- telegraft:table NAME -->\n";
    assert_eq!(refreshed(open).as_deref(), Ok(open));
    let inline = "`<!-- telegraft:table NAME -->` and `<!-- /telegraft -->`";
    assert_eq!(refreshed(inline).as_deref(), Ok(inline));
    let after = format!("{fenced}`x`\n<!-- telegraft:table no -->\n<!-- /telegraft -->");
    assert!(wrong(&after).starts_with("10: there is no table `no`"));
    // A fence inside of what is replaced is none.
    let inside = "<!-- telegraft:findings latency -->\n```\n<!-- /telegraft -->\n";
    assert!(!refreshed(inside).expect("it is fine").contains("```"));
}

#[test]
fn what_is_wrong_is_told_with_line_and_known_names() {
    for (source, told) in [
        (
            "\n<!-- telegraft:table no -->\n<!-- /telegraft -->",
            "2: there is no table `no`; there are latency",
        ),
        (
            "<!-- telegraft:figure no --><!-- /telegraft -->",
            "1: there is no figure `no`; there are nines",
        ),
        (
            "<!-- telegraft:findings results --><!-- /telegraft -->",
            "1: there is no section with findings `results`; there are latency, threats",
        ),
        (
            "<!-- telegraft:value latency/chat/etcd/p99_ms --><!-- /telegraft -->",
            "1: there is no row of the table `latency` `chat/etcd`; there are chat/null, chat/telegraft ×3",
        ),
        (
            "<!-- telegraft:value latency/cha/p99_ms --><!-- /telegraft -->",
            "1: there is no row of the table `latency` `cha`; there are chat/null, chat/telegraft ×3",
        ),
        (
            "<!-- telegraft:value latency/chat/p98_ms --><!-- /telegraft -->",
            "1: there is no column of the table `latency` `p98_ms`; \
             there are workload, system, p99_ms, p99_95_ms, trials",
        ),
        (
            "<!-- telegraft:value p99 --><!-- /telegraft -->",
            "1: `p99` is no TABLE/ROW/COLUMN",
        ),
        (
            "<!-- telegraft:plot x --><!-- /telegraft -->",
            "1: there is no `telegraft:plot`; known are table, figure, findings, value",
        ),
        (
            "<!-- telegraft:table --><!-- /telegraft -->",
            "1: `telegraft:table` names nothing",
        ),
        (
            "a\n\n<!-- telegraft:table latency -->\n",
            "3: `telegraft:table latency` has no `<!-- /telegraft -->`",
        ),
        ("a <!-- /telegraft -->", "1: this marker ends nothing"),
        ("<!-- telegraft:table latency", "1: the marker has no `-->`"),
        (
            "a\n<!-- telegraft:table latency\n\nold\n\n<!-- /telegraft -->\nb\n\
             <!-- telegraft:table latency --><!-- /telegraft -->",
            "2: the marker has no `-->`",
        ),
        (
            "<!-- telegraft:table latency\n\
             <!-- telegraft:table latency --><!-- /telegraft -->",
            "1: the marker has no `-->`",
        ),
        (
            "is <!-- telegraft:value latency/chat/p99_ms 1.40<!-- /telegraft --> ms",
            "1: the marker has no `-->`",
        ),
        (
            "<!-- telegraft:table latency -->\n<!-- telegraft:table latency -->\n<!-- /telegraft -->",
            "2: `telegraft:table latency` begins before the one of line 1 ends",
        ),
    ] {
        assert_eq!(wrong(source), told);
    }
    let two = "<!-- /telegraft -->\n<!-- telegraft:table no --><!-- /telegraft -->";
    assert_eq!(refreshed(two).expect_err("two are wrong").len(), 2);
}
