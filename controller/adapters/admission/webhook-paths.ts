/** Where approvals are stamped; a token follows, for the API server alone. */
export const stampPath = '/stamp-approval';
/** Where they are validated; a token follows. */
export const validatePath = '/validate-approval';
