"""All that touches a user's file: heads, masks, DICOM, tables, atomic writing, locks."""
