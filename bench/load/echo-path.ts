/** Path of the echo server's one method. */
export const echoPath = '/bench.Echo/Echo'
