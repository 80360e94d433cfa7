from conftest import HEADER, Gate


def test_one_line_lands(gate: Gate) -> None:
    gate.write("events_20250101.csv", HEADER + "c,u,r,2025-01-01T00:00:00.000Z,page_viewed,,ua\n")
    assert gate.build("--select", "+stg_web_events__evaluated")
    assert gate.query("select client_id, is_rejected from stg_web_events__evaluated") == [("c", False)]
    gate.write("events_20250102.csv", HEADER + ",u,r,2025-01-01T00:00:00.000Z,page_viewed,,ua\n")
    assert gate.build("--select", "+stg_web_events__evaluated")
    assert len(gate.query("select * from stg_web_events__evaluated")) == 2
