"""Alerts as they are sent, one of each shape, to be pinned."""

from typing import Final

import msgspec
from msgspec.structs import replace

from projections.alerts import ESCALATED, RESOLVED, Alert, Answer, Crossing, Event, Outlier, Position, message_of
from projections.bundles import bundle_of, message_of_bundle

RECORDED_AT: Final = 1_756_684_800_500_000
"""2025-09-01T00:00:00.5Z in microseconds."""
CHURN: Final = Alert(
    id="alr_rmhjsilm2cthozn3qur5evclm3",
    rule="churn",
    kind="churn",
    severity="critical",
    subject="acme",
    summary="acme has left: 588.00 USD of MRR, 85.47% of all (price)",
    recorded_at=RECORDED_AT,
    position=Position(3, 41, 1_999),
    account="acme",
    contracts=("ctr-77",),
    plans=("team",),
    owner="kim",
    attributes={"segment": "smb"},
    currency="USD",
    mrr_minor=-58_800,
    arr_minor=-705_600,
    share="0.85465116",
    account_mrr_minor=0,
    effective="2025-09-01",
    reason="price",
    initiative="voluntary",
    attempt=2,
    scores=(Answer("nps", 2, "2025-08-30T11:00:00Z", 10, "cfo"), Answer("ces", 3, "2025-08-01T11:00:00Z")),
    event=Event("/billing", "evt-0013", "revledger.contract.cancelled.v1", "2025-08-31T11:00:00Z"),
    explain="revledger explain churn --from 2025-09-01 --until 2025-09-02 --where account=acme --currency USD",
)
FIGURE: Final = Alert(
    id="alr_bgmhrwj5lmm5y6ushypn6zibcb",
    rule="net-retention",
    kind="figure",
    severity="warning",
    subject="~book",
    summary="nrr of segment smb is 84.10%, below 90.00%, from 2024-09-02 until 2025-09-02",
    recorded_at=RECORDED_AT,
    position=Position(0, 41),
    currency="USD",
    figure=Crossing(
        figure="nrr",
        value="0.84100000",
        below="0.9",
        from_="2024-09-02",
        until="2025-09-02",
        group={"segment": "smb"},
        position={"0": 41, "1": 40},
    ),
    explain="revledger explain nrr --from 2024-09-02 --until 2025-09-02 --currency USD --where 'segment=smb'",
)
RENEWAL: Final = Alert(
    id="alr_q3x6tq2x7h5l5k7n7d4m2c6v4a",
    rule="renewal",
    kind="renewal",
    severity="warning",
    subject="acme",
    summary="ctr-77 of acme ends on 2025-10-01: 588.00 USD of MRR, 85.47% of all; the last score is 5 of 10 (nps)",
    recorded_at=RECORDED_AT,
    position=Position(0, 41),
    account="acme",
    contracts=("ctr-77",),
    plans=("team",),
    owner="kim",
    attributes={"segment": "smb"},
    currency="USD",
    mrr_minor=58_800,
    arr_minor=705_600,
    share="0.85465116",
    effective="2025-10-01",
    renews=False,
    scores=(Answer("nps", 5, "2025-08-30T11:00:00Z", 10, "cfo"),),
    explain="revledger report renewals --on 2025-09-01 --currency USD --where account=acme",
)
UNUSUAL: Final = Alert(
    id="alr_w4k2zq6r5x3c7v5b2n4m6l7k5j",
    rule="unusual",
    kind="unusual",
    severity="critical",
    subject="~book",
    summary="unusual churn of segment smb on 2025-09-02: 588.00 USD of MRR, 5.47% of all; of 52 Tuesdays before half"
    " had up to 10.00, 110.00 is still usual",
    recorded_at=RECORDED_AT,
    position=Position(0, 41),
    currency="USD",
    share="0.05465116",
    effective="2025-09-02",
    unusual=Outlier("churn", 58_800, 1_000, 11_000, 52, {"segment": "smb"}),
    explain="revledger explain churn --from 2025-09-02 --until 2025-09-03 --currency USD --where segment=smb",
)
OTHER: Final = replace(CHURN, id="alr_qmhjsilm2cthozn3qur5evclm3", account="globex", subject="globex", share="0.01")
BUNDLE: Final = replace(
    bundle_of([msgspec.json.decode(message_of(one).body) for one in (CHURN, OTHER)], (("segment", "smb"),)),
    summary="2 accounts of segment smb have left: 1,176.00 USD of MRR",
)
ALERTS: Final = {
    "churn-grouped": message_of_bundle(BUNDLE, "2025-09-01T00:00:00.5Z"),
    "unusual-fired": message_of(UNUSUAL),
    "renewal-fired": message_of(RENEWAL),
    "churn-escalated": message_of(CHURN, ESCALATED),
    "churn-fired": message_of(CHURN),
    "figure-fired": message_of(FIGURE),
    "figure-resolved": message_of(FIGURE, RESOLVED),
}
"""Name of a pin -> the message."""
