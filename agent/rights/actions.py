"""The closed vocabulary of what can be asked, and of what an answer may depend on."""

from enum import StrEnum


class Group(StrEnum):
    """Actions that are granted together."""

    DEVICES = "devices"
    CAMERAS = "cameras"
    WHEREABOUTS = "whereabouts"
    PEOPLE = "people"
    OWN = "own"
    ERASING = "erasing"
    HOLDS = "holds"
    RUNNING = "running"
    ALARMS = "alarms"


class Action(StrEnum):
    """What somebody may do, or not. `table.toml` says what each means."""

    CONTROL_DEVICES = "control_devices"
    READ_DEVICES = "read_devices"
    READ_HISTORY = "read_history"
    MANAGE_DEVICES = "manage_devices"

    VIEW_PICTURES = "view_pictures"
    TAKE_TEST_PICTURE = "take_test_picture"
    MANAGE_CAMERAS = "manage_cameras"
    ASSIGN_CAMERA = "assign_camera"
    TAG_PICTURE = "tag_picture"
    ACCEPT_CLAIM = "accept_claim"

    VIEW_PRESENCE = "view_presence"
    VIEW_POSITION = "view_position"

    READ_PEOPLE = "read_people"
    MANAGE_PEOPLE = "manage_people"
    REMOVE_PERSON = "remove_person"
    RECOVER_PERSON = "recover_person"
    MANAGE_GRANTS = "manage_grants"
    TRANSFER_HOME = "transfer_home"

    EXPORT_OWN = "export_own"
    EXPORT_OTHERS = "export_others"
    ERASE_OWN = "erase_own"
    RECTIFY_OWN = "rectify_own"
    RESTRICT_OWN = "restrict_own"
    OBJECT_OWN = "object_own"
    CONSENT_OWN = "consent_own"
    READ_OWN_ACTIVITY = "read_own_activity"
    READ_ALL_ACTIVITY = "read_all_activity"

    ERASE_HOME = "erase_home"
    ERASE_OTHERS = "erase_others"
    ERASE_EVERYTHING = "erase_everything"

    READ_HOLDS = "read_holds"
    PLACE_HOLD = "place_hold"
    RENEW_HOLD = "renew_hold"
    RELEASE_HOLD = "release_hold"
    DISCLOSE = "disclose"

    READ_HEALTH = "read_health"
    READ_INVENTORY = "read_inventory"
    READ_RECEIPTS = "read_receipts"
    READ_LOG = "read_log"
    READ_METRICS = "read_metrics"
    READ_DIAGNOSTICS = "read_diagnostics"
    CONFIRM_TIME = "confirm_time"
    CHANGE_SETTINGS = "change_settings"
    MANAGE_BACKUPS = "manage_backups"
    INSTALL_UPDATES = "install_updates"
    OPEN_SUPPORT = "open_support"
    END_SUPPORT = "end_support"

    RAISE_ALARM = "raise_alarm"
    ANSWER_ALARM = "answer_alarm"
    READ_ALARMS = "read_alarms"
    MANAGE_ALARMS = "manage_alarms"


class Need(StrEnum):
    """What must be there besides a right."""

    SECOND_PERSON = "second_person"
    """Another person of the house assents: whom it concerns, where it concerns one."""
    PRESENCE = "presence"
    """A fresh proof that the person is there: a passkey, or the button on the box."""
    PURPOSE = "purpose"
    """Why, from a closed list; it is written down."""


class Purpose(StrEnum):
    """What a right was granted for. A closed list: free text would invite what nobody should write down."""

    DAILY_LIFE = "daily_life"
    VISIT = "visit"
    CARE = "care"
    INSTALLATION = "installation"
    REPAIR = "repair"
    SUPPORT = "support"
    ALARM = "alarm"
    DISCLOSURE = "disclosure"
    """Something is handed to an authority, on a ground that is recorded."""
