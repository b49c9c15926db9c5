"""Files of downloads: written aside, renamed when whole, resumed where they broke off."""
